package dev.gatun.models.layers;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * A convolution whose stride is its kernel, which is a linear layer on patches: keys {@code
 * proj.weight [D, C, p, p]} and {@code proj.bias [D]}.
 */
public final class PatchEmbed {
  private final Backend backend;
  private final int patch;
  private final Linear proj;

  public PatchEmbed(Weights weights, String prefix, int channels, int patch, int width) {
    backend = weights.backend();
    this.patch = patch;
    var stored = Shape.of(width, channels, patch, patch);
    proj =
        new Linear(
            weights,
            weights.matrix(prefix + ".proj.weight", stored, PatchEmbed::channelsLast),
            Epilogue.bias(weights.tensor(prefix + ".proj.bias", width)));
  }

  /** {@code [D, C, p, p] → [D, p·p·C]}, in the order of {@link Backend#patchify}. */
  private static Tensor channelsLast(Tensor kernel) {
    int width = kernel.dim(0);
    int channels = kernel.dim(1);
    int area = kernel.dim(2) * kernel.dim(3);
    var matrix = Tensor.allocate(DType.F32, Shape.of(width, area * channels));
    for (int d = 0; d < width; d++) {
      for (int c = 0; c < channels; c++) {
        for (int i = 0; i < area; i++) {
          float value = kernel.getFloat(((long) d * channels + c) * area + i);
          matrix.setFloat((long) d * area * channels + (long) i * channels + c, value);
        }
      }
    }
    return matrix;
  }

  /** {@code [N, H, W, C] → [N, T, D]}, with a position embedding {@code [T, D]} added. */
  public void forward(Tensor x, Tensor positions, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var patches = workspace.take(x.dim(0), out.dim(1), patch * patch * x.dim(3)); // (N, T, p·p·C)
    backend.patchify(x, patch, patches);
    proj.forward(patches, null, positions, out);
    workspace.release(mark);
  }
}
