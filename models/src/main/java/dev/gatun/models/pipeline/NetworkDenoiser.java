package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.diffusion.ConditionalDenoiser;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/** A network as the samplers see it: all images of a batch are at the same time. */
final class NetworkDenoiser implements ConditionalDenoiser, AutoCloseable {
  private final DiffusionNetwork network;
  private final Workspace workspace;
  private final Tensor times;
  private final Tensor onDevice;

  /**
   * @param most the largest batch that will be evaluated, both halves of a guided one counted
   */
  NetworkDenoiser(DiffusionNetwork network, Workspace workspace, int most) {
    this.network = network;
    this.workspace = workspace;
    times = Tensor.allocate(DType.F32, Shape.of(most));
    onDevice = network.backend().allocate(DType.F32, Shape.of(most));
  }

  @Override
  public int outChannels() {
    return network.config().outChannels();
  }

  @Override
  public void predict(Tensor x, double t, Tensor condition, Tensor out) {
    for (int i = 0; i < times.dim(0); i++) {
      times.setFloat(i, (float) t);
    }
    network.backend().copy(times, onDevice);
    network.forward(x, onDevice.columns(0, x.dim(0)), condition, workspace, out);
  }

  @Override
  public void close() {
    times.close();
    onDevice.close();
  }
}
