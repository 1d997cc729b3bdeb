package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * A step with a bit of everything: weights up, work that is recorded and replayed, a result down.
 */
final class SmallStep implements AutoCloseable {
  private static final int REPEATED = 4;

  private final Backend backend;
  private final List<Tensor> owned = new ArrayList<>();

  private SmallStep(Backend backend) {
    this.backend = backend;
  }

  /** Runs it some times on a backend and gives the last result. */
  static float[] run(Backend backend) {
    try (var step = new SmallStep(backend)) {
      return step.run();
    }
  }

  private float[] run() {
    var x = tensor(1, 4, 4, 8);
    var tokens = x.reshape(1, 16, 8);
    var out = tensor(1, 4, 4, 8);
    var attended = tensor(1, 16, 8);
    var large = tensor(1, 8, 8, 8);
    var vector = tensor(8);
    var row = tensor(1, 8);
    try (var matrix = host(8, 8);
        var window = host(8, 8, 3, 3);
        var weight = backend.pack(matrix);
        var kernel = backend.packKernel(window);
        var replay =
            backend.replay(
                () -> {
                  backend.groupNorm(x, 2, vector, vector, row, row, 1e-5f, Activation.SILU, x);
                  backend.conv2d(x, kernel, Conv2dSpec.same(3), Epilogue.bias(vector), null, out);
                  backend.linear(
                      out.reshape(1, 16, 8),
                      weight,
                      new Epilogue(vector, Activation.GELU_TANH),
                      row,
                      tokens,
                      tokens);
                  backend.attention(tokens, tokens, tokens, AttentionSpec.of(2, 4), attended);
                  backend.layerNorm(attended, vector, vector, row, row, 1e-5f, attended);
                  backend.upsampleNearest(x, large);
                  backend.combine(0.5, attended, 0.5, tokens, tokens);
                })) {
      for (int i = 0; i < REPEATED; i++) {
        replay.run();
      }
      try (var host = Tensor.allocate(DType.F32, tokens.shape())) {
        backend.copy(tokens, host);
        return host.toFloats();
      }
    }
  }

  private static Tensor host(int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, (i * 7 % 11 - 5) / 11f);
    }
    return tensor;
  }

  private Tensor tensor(int... dims) {
    var tensor = backend.allocate(DType.F32, Shape.of(dims));
    owned.add(tensor);
    try (var host = host(dims)) {
      backend.copy(host, tensor);
    }
    return tensor;
  }

  @Override
  public void close() {
    owned.forEach(Tensor::close);
  }
}
