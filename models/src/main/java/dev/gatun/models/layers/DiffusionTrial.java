package dev.gatun.models.layers;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Trial;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** The evaluation of a diffusion network, told a label or nothing, on a batch of zeros. */
public final class DiffusionTrial implements Trial {
  private final DiffusionNetwork network;
  private final Weights owned;
  private final Workspace workspace;
  private final Tensor x;
  private final Tensor t;
  private final Tensor labels;
  private final Tensor out;

  /**
   * @param network not one that is told a text
   */
  public DiffusionTrial(DiffusionNetwork network, int batch) {
    this.network = network;
    var backend = network.backend();
    var config = network.config();
    int side = config.inputSize();
    owned = new Weights(backend, null);
    try {
      workspace = owned.own(backend.workspace());
      x = allocate(Shape.of(batch, side, side, config.inChannels()));
      t = allocate(Shape.of(batch));
      out = allocate(Shape.of(batch, side, side, config.outChannels()));
      labels =
          config.conditioning() == Conditioning.NONE
              ? null
              : owned.own(backend.allocate(DType.I64, Shape.of(batch)));
    } catch (RuntimeException | Error e) {
      owned.close();
      throw e;
    }
  }

  private Tensor allocate(Shape shape) {
    return owned.own(network.backend().allocate(DType.F32, shape));
  }

  @Override
  public void run() {
    network.forward(x, t, labels, workspace, out);
  }

  @Override
  public void close() {
    owned.close();
  }
}
