package dev.gatun.runtime.cuda;

import dev.gatun.bindings.loader.NativeMemory;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Copies between host and device, and inside of either. Only dense memory crosses the border: a
 * view is packed on its side, and the type is changed on the device.
 */
final class Transfer implements AutoCloseable {
  private final Staging staging;
  private final MovementKernels kernels;
  private final Scratch scratch;

  Transfer(Session session, MovementKernels kernels, Scratch scratch) {
    staging = new Staging(session);
    this.kernels = kernels;
    this.scratch = scratch;
  }

  /** {@code to = from}, with conversion. */
  void copy(Tensor from, Tensor to) {
    if (from.shape().size() == 0) {
      return;
    }
    boolean fromHost = isHost(from);
    boolean toHost = isHost(to);
    if (fromHost && toHost) {
      HostMovement.copy(from, to);
    } else if (fromHost) {
      upload(from, to);
    } else if (toHost) {
      download(from, to);
    } else {
      kernels.copy(from, to);
    }
  }

  private static boolean isHost(Tensor tensor) {
    return tensor.device().kind() == Device.Kind.CPU;
  }

  private void upload(Tensor from, Tensor to) {
    if (!from.isContiguous()) {
      try (var dense = Tensor.allocate(from.dtype(), from.shape())) {
        HostMovement.copy(from, dense);
        upload(dense, to);
      }
    } else if (to.isContiguous() && from.dtype() == to.dtype()) {
      staging.upload(from.segment(), to.address());
    } else {
      try (var arena = Arena.ofConfined()) {
        var dense = onDevice(to.device(), from.dtype(), from, arena);
        staging.upload(from.segment(), dense.address());
        kernels.copy(dense, to);
      }
    }
  }

  private void download(Tensor from, Tensor to) {
    if (!to.isContiguous()) {
      try (var dense = Tensor.allocate(to.dtype(), to.shape())) {
        download(from, dense);
        HostMovement.copy(dense, to);
      }
    } else if (from.isContiguous() && from.dtype() == to.dtype()) {
      staging.download(from.address(), to.segment());
    } else {
      try (var arena = Arena.ofConfined()) {
        var dense = onDevice(from.device(), to.dtype(), from, arena);
        kernels.copy(from, dense);
        staging.download(dense.address(), to.segment());
      }
    }
  }

  /** A dense tensor of a shape in the scratch memory. */
  private Tensor onDevice(Device device, DType dtype, Tensor like, Arena arena) {
    long bytes = like.shape().size() * dtype.bytes();
    MemorySegment memory = NativeMemory.at(scratch.address(bytes), bytes, arena, address -> {});
    return Tensor.wrap(device, dtype, like.shape(), memory);
  }

  /** Dense device memory as it is. */
  void download(long from, MemorySegment to) {
    staging.download(from, to);
  }

  @Override
  public void close() {
    staging.close();
  }
}
