package dev.gatun.runtime.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Device memory for what an operator needs only while it runs: one piece for all of them, since
 * they run one after the other. What was outgrown is kept, because a recorded graph may use it.
 */
final class Scratch implements AutoCloseable {
  private static final long FIRST = 1 << 20;

  /** Up to here each piece is twice the one before, so that few are made. */
  private static final long LARGE = 64 << 20;

  private final Session session;
  private final Arena arena = Arena.ofShared();
  private MemorySegment memory = MemorySegment.NULL;

  Scratch(Session session) {
    this.session = session;
  }

  /** The address of so many bytes, aligned to 256, valid until the next call. */
  long address(long bytes) {
    if (memory.byteSize() < bytes) {
      long size = Math.max(Math.max(FIRST, bytes), Math.min(LARGE, 2 * memory.byteSize()));
      memory = session.allocate(size, arena);
    }
    return memory.address();
  }

  @Override
  public void close() {
    arena.close();
  }
}
