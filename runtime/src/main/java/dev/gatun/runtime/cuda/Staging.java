package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The way between host and device: two pieces of pinned memory in turn, so that the device copies
 * one while Java fills or empties the other. Without them the driver would do the same behind the
 * scenes, and wait in between.
 */
final class Staging implements AutoCloseable {
  private static final long BYTES = 4 << 20;

  private final Session session;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment[] pieces = new MemorySegment[2];
  private final MemorySegment[] events = new MemorySegment[2];
  private int turn;

  Staging(Session session) {
    this.session = session;
  }

  /** Copies host memory to the device; it may be changed when this returns. */
  void upload(MemorySegment from, long to) {
    prepare();
    for (long at = 0; at < from.byteSize(); at += BYTES) {
      long bytes = Math.min(BYTES, from.byteSize() - at);
      turn ^= 1;
      await(turn);
      MemorySegment.copy(from, at, pieces[turn], 0, bytes);
      check(
          "cuMemcpyHtoDAsync",
          Cuda.cuMemcpyHtoDAsync_v2(to + at, pieces[turn], bytes, session.stream().handle()));
      record(turn);
    }
  }

  /** Copies device memory to the host, after everything that is in the stream. */
  void download(long from, MemorySegment to) {
    prepare();
    long before = -1;
    for (long at = 0; at < to.byteSize(); at += BYTES) {
      turn ^= 1;
      await(turn);
      check(
          "cuMemcpyDtoHAsync",
          Cuda.cuMemcpyDtoHAsync_v2(
              pieces[turn],
              from + at,
              Math.min(BYTES, to.byteSize() - at),
              session.stream().handle()));
      record(turn);
      if (before >= 0) {
        empty(turn ^ 1, to, before);
      }
      before = at;
    }
    if (before >= 0) {
      empty(turn, to, before);
    }
  }

  private void empty(int piece, MemorySegment to, long at) {
    await(piece);
    MemorySegment.copy(pieces[piece], 0, to, at, Math.min(BYTES, to.byteSize() - at));
  }

  private void prepare() {
    session.enter();
    if (session.stream().isCapturing()) {
      throw new UnrecordableException("the host takes part");
    }
    for (int i = 0; i < 2; i++) {
      if (pieces[i] == null) {
        pieces[i] = session.allocatePinned(BYTES, arena);
      }
      if (events[i] == null) {
        events[i] = event();
      }
    }
  }

  private static MemorySegment event() {
    try (var confined = Arena.ofConfined()) {
      var pointer = confined.allocate(ADDRESS);
      check("cuEventCreate", Cuda.cuEventCreate(pointer, Cuda.CU_EVENT_DISABLE_TIMING()));
      return pointer.get(ADDRESS, 0);
    }
  }

  /** An event that was never recorded has nothing to wait for. */
  private void await(int piece) {
    check("cuEventSynchronize", Cuda.cuEventSynchronize(events[piece]));
  }

  private void record(int piece) {
    check("cuEventRecord", Cuda.cuEventRecord(events[piece], session.stream().handle()));
  }

  private static void check(String call, int status) {
    if (status != Cuda.CUDA_SUCCESS()) {
      Driver.check(call, status);
    }
  }

  @Override
  public void close() {
    arena.close();
    for (var event : events) {
      if (event != null) {
        Driver.warn("cuEventDestroy", Cuda.cuEventDestroy_v2(event));
      }
    }
  }
}
