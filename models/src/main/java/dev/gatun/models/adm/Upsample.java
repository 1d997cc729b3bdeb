package dev.gatun.models.adm;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** Twice the height and width by repetition, and then a convolution or none. */
final class Upsample implements Layer {
  private final Backend backend;
  private final Conv2d conv;

  Upsample(Weights weights, String prefix, Part.Up part) {
    backend = weights.backend();
    conv =
        part.conv()
            ? new Conv2d(weights, prefix + ".conv", part.channels(), part.channels(), 3)
            : null;
  }

  @Override
  public void forward(Tensor x, Tensor emb, Workspace workspace, Tensor out) {
    if (conv == null) {
      backend.upsampleNearest(x, out); // (N, 2H, 2W, C)
      return;
    }
    int mark = workspace.mark();
    var h = workspace.take(x.dim(0), 2 * x.dim(1), 2 * x.dim(2), x.dim(3)); // (N, 2H, 2W, C)
    backend.upsampleNearest(x, h);
    conv.forward(h, out); // (N, 2H, 2W, C)
    workspace.release(mark);
  }
}
