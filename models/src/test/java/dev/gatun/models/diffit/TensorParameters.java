package dev.gatun.models.diffit;

import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.Map;
import java.util.function.Function;

/** A state dict in memory. */
record TensorParameters(Map<String, Tensor> tensors) implements Parameters {
  @Override
  public boolean has(String key) {
    return tensors.containsKey(key);
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    if (!has(key)) {
      throw new ParameterException("tensor " + key + " is missing");
    }
    var tensor = tensors.get(key);
    if (!tensor.shape().equals(expected)) {
      throw new ParameterException(
          "tensor " + key + " is " + tensor.shape() + ", the description says " + expected);
    }
    return use.apply(tensor);
  }
}
