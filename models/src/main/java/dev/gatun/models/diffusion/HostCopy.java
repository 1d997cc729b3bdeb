package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The elements of a tensor of any device where Java can look at them; memory of its own. */
final class HostCopy {
  private final Backend backend;

  /** Freed when it is forgotten. */
  private final Tensor host;

  private final float[] values;

  /** Room for tensors of the shape of one. */
  HostCopy(Backend backend, Tensor like) {
    this.backend = backend;
    var memory = Arena.ofAuto().allocate(like.shape().size() * Float.BYTES, Tensor.ALIGNMENT);
    host = Tensor.wrap(Device.CPU, DType.F32, like.shape(), memory);
    values = new float[Math.toIntExact(like.shape().size())];
  }

  /** The elements of a tensor, in row-major order; the array is the same at every call. */
  float[] of(Tensor tensor) {
    backend.copy(tensor, host);
    MemorySegment.copy(host.segment(), Tensor.FLOAT, 0, values, 0, values.length);
    return values;
  }
}
