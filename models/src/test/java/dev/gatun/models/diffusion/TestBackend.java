package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/** The backend of these tests, and tensors in the layout of the golden files. */
final class TestBackend {
  private TestBackend() {}

  static Backend open() {
    return Backend.open(Device.CPU, "reference", 1);
  }

  /** A channels-last tensor from numbers in NCHW order. */
  static Tensor fromNchw(Backend backend, float[] values, int n, int c, int h, int w) {
    var tensor = backend.allocate(DType.F32, Shape.of(n, h, w, c));
    try (var nchw = Tensor.of(Shape.of(n, c, h, w), values)) {
      backend.toChannelsLast(nchw, tensor);
    }
    return tensor;
  }

  /** The numbers of a channels-last tensor in NCHW order. */
  static float[] toNchw(Backend backend, Tensor x) {
    try (var nchw = Tensor.allocate(x.dtype(), Shape.of(x.dim(0), x.dim(3), x.dim(1), x.dim(2)))) {
      backend.toChannelsFirst(x, nchw);
      return nchw.toFloats();
    }
  }
}
