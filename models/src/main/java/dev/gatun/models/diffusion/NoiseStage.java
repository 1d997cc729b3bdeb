package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;

/** The way of noise from a generator, which fills an array in NCHW order, to a tensor. */
final class NoiseStage {
  private final Backend backend;
  private float[] drawn = {};

  /** The noise as the tensor will have it, still in host memory; freed when it is forgotten. */
  private Tensor host;

  NoiseStage(Backend backend) {
    this.backend = backend;
  }

  /**
   * The array to draw into: room for some copies of {@code out}.
   *
   * @param out {@code [N, H, W, C]}
   */
  float[] drawn(Tensor out, int copies) {
    Checks.operand("noise", "out", out, backend.device(), DType.F32);
    Checks.rank("noise", "out", out, 4);
    int count = Math.toIntExact(Math.multiplyExact(out.shape().size(), copies));
    if (drawn.length < count) {
      drawn = new float[count];
    }
    return drawn;
  }

  /** Brings what was drawn, {@code [N, C, H, W]}, to {@code out [N, H, W, C]}. */
  void deliver(Tensor out) {
    if (host == null || !host.shape().equals(out.shape())) {
      var memory = Arena.ofAuto().allocate(out.shape().size() * Float.BYTES, Tensor.ALIGNMENT);
      host = Tensor.wrap(Device.CPU, DType.F32, out.shape(), memory);
    }
    // Re-laid here, not with toChannelsLast, whose operands must be on the device already.
    int channels = out.dim(3);
    int pixels = out.dim(1) * out.dim(2);
    var target = host.segment();
    long at = 0;
    for (int n = 0; n < out.dim(0); n++) {
      for (int pixel = 0; pixel < pixels; pixel++) {
        int from = n * channels * pixels + pixel;
        for (int c = 0; c < channels; c++, at += Float.BYTES) {
          target.set(Tensor.FLOAT, at, drawn[from + c * pixels]);
        }
      }
    }
    backend.copy(host, out);
  }
}
