package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The queue of a backend: what is put into it runs in order, later. While it is captured, nothing
 * runs, and a {@link Graph} comes of it; in the relaxed mode, because a virtual thread may end in
 * another thread of the system than it began in, and what a capture forbids is refused here.
 */
final class Stream implements AutoCloseable {
  private final MemorySegment handle;
  private boolean capturing;

  /** A new one in the current context. */
  Stream() {
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      Driver.check("cuStreamCreate", Cuda.cuStreamCreate(pointer, Cuda.CU_STREAM_NON_BLOCKING()));
      handle = pointer.get(ADDRESS, 0);
    }
  }

  /** The driver's. */
  MemorySegment handle() {
    return handle;
  }

  /** Waits until everything in it is done; what failed meanwhile is thrown here. */
  void synchronize() {
    Driver.check("cuStreamSynchronize", Cuda.cuStreamSynchronize(handle));
  }

  /** Whether it is being captured. */
  boolean isCapturing() {
    return capturing;
  }

  /**
   * Puts work into it that is not run but recorded.
   *
   * @return the record
   * @throws CudaException if the driver cannot record it
   */
  Graph capture(Runnable work) {
    Driver.check(
        "cuStreamBeginCapture",
        Cuda.cuStreamBeginCapture_v2(handle, Cuda.CU_STREAM_CAPTURE_MODE_RELAXED()));
    capturing = true;
    boolean done = false;
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      int status;
      try {
        work.run();
        done = true;
      } finally {
        // Ended in any case: a stream that stays in capture is of no use any more.
        capturing = false;
        status = Cuda.cuStreamEndCapture(handle, pointer);
        if (!done && !pointer.get(ADDRESS, 0).equals(MemorySegment.NULL)) {
          Driver.warn("cuGraphDestroy", Cuda.cuGraphDestroy(pointer.get(ADDRESS, 0)));
        }
      }
      Driver.check("cuStreamEndCapture", status);
      return new Graph(pointer.get(ADDRESS, 0));
    }
  }

  @Override
  public void close() {
    Driver.warn("cuStreamDestroy", Cuda.cuStreamDestroy_v2(handle));
  }
}
