package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A device's primary context, retained: the one that every library in this process shares.
 *
 * <p>A context is current in a thread of the operating system, and a virtual thread changes those;
 * so {@link #enter} comes before every group of calls, which costs some nanoseconds.
 */
final class Context implements AutoCloseable {
  private final int device;
  private final MemorySegment handle;
  private boolean closed;

  /** Retains that of a device. */
  Context(int device) {
    this.device = device;
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      Driver.check("cuDevicePrimaryCtxRetain", Cuda.cuDevicePrimaryCtxRetain(pointer, device));
      handle = pointer.get(ADDRESS, 0);
    }
  }

  /**
   * Makes it current in this thread.
   *
   * @throws IllegalStateException if it is closed
   */
  void enter() {
    if (closed) {
      throw new IllegalStateException("the context of cuda:" + device + " is closed");
    }
    int status = Cuda.cuCtxSetCurrent(handle);
    if (status != Cuda.CUDA_SUCCESS()) {
      Driver.check("cuCtxSetCurrent", status);
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      Driver.warn("cuDevicePrimaryCtxRelease", Cuda.cuDevicePrimaryCtxRelease_v2(device));
    }
  }
}
