package dev.gatun.models.adm;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** Half the height and width, by a convolution of stride 2, or by the means of 2×2 blocks. */
final class Downsample implements Layer {
  private final Backend backend;
  private final Conv2d op;

  Downsample(Weights weights, String prefix, Part.Down part) {
    backend = weights.backend();
    op =
        part.conv()
            ? new Conv2d(
                weights,
                prefix + ".op",
                part.channels(),
                part.channels(),
                3,
                Conv2dSpec.padded(2, 1))
            : null;
  }

  @Override
  public void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
    if (op == null) {
      backend.averagePool(x, out); // (N, H/2, W/2, C)
    } else {
      op.forward(x, out); // (N, H/2, W/2, C)
    }
  }
}
