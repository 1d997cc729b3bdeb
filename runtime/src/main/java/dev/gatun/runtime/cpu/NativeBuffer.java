package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/** Memory that grows to what the largest operator needs and is then kept, for assembled code. */
final class NativeBuffer implements AutoCloseable {
  private static final int LINE = 64;

  private boolean closed;
  private Tensor memory = Tensor.allocate(DType.U8, Shape.of(0));

  /** Room for so many bytes at the least; what it holds is undefined. */
  long atLeast(long bytes) {
    if (closed) {
      throw new IllegalStateException("the backend is closed");
    }
    // Closed, too, if there was not enough memory the last time.
    if (!memory.isAlive() || memory.span() < bytes) {
      memory.close();
      memory =
          Tensor.allocate(DType.U8, Shape.of(Math.toIntExact(Math.ceilDiv(bytes, LINE)), LINE));
    }
    return memory.address();
  }

  /** All that there is room for. */
  MemorySegment segment() {
    return memory.segment();
  }

  @Override
  public void close() {
    closed = true;
    memory.close();
  }
}
