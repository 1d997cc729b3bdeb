package dev.gatun.models.vae;

import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;

/** Tensors in memory, each held against the shape that the network expects. */
record TensorParameters(Map<String, Tensor> tensors) implements Parameters {
  @Override
  public boolean has(String key) {
    return tensors.containsKey(key);
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    var tensor = tensors.get(key);
    if (tensor == null) {
      throw new ParameterException("tensor " + key + " is missing");
    }
    if (!tensor.shape().equals(expected)) {
      throw new ParameterException(
          "tensor " + key + " is " + tensor.shape() + ", the description says " + expected);
    }
    return use.apply(tensor);
  }

  SequencedMap<String, Shape> shapes() {
    var shapes = new LinkedHashMap<String, Shape>();
    tensors.forEach((key, tensor) -> shapes.put(key, tensor.shape()));
    return shapes;
  }
}
