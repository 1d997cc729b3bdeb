package dev.gatun.models.checkpoint;

import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.function.Function;

/**
 * The tensors of a checkpoint, each held against the shape that the network expects.
 *
 * @param checkpoint open for as long as the tensors are read
 */
public record CheckpointParameters(Checkpoint checkpoint) implements Parameters {
  @Override
  public boolean has(String key) {
    return checkpoint.tensors().containsKey(key);
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    var info = checkpoint.tensors().get(key);
    if (info == null) {
      throw new ParameterException("tensor " + key + " is missing");
    }
    if (!info.shape().equals(expected)) {
      throw new ParameterException(
          "tensor " + key + " is " + info.shape() + ", the description says " + expected);
    }
    try {
      return checkpoint.read(key, tensor -> use(tensor, use));
    } catch (CheckpointException e) {
      throw new ParameterException(e.getMessage(), e);
    }
  }

  /** Weights of other types than the backends pack are converted first. */
  private static <R> R use(Tensor tensor, Function<Tensor, R> use) {
    if (tensor.dtype() == DType.F32
        || tensor.dtype() == DType.F16
        || tensor.dtype() == DType.BF16) {
      return use.apply(tensor);
    }
    try (var floats = Tensor.of(tensor.shape(), tensor.toFloats())) {
      return use.apply(floats);
    }
  }
}
