package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The arguments of a call of {@link Assembled} code; each worker has its own. */
final class Arguments implements AutoCloseable {
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private final Tensor memory = Tensor.allocate(DType.I64, Shape.of(Assembled.ARGUMENTS));
  private final MemorySegment slots = memory.segment();

  long address() {
    return slots.address();
  }

  long get(int index) {
    return slots.getAtIndex(LONG, index);
  }

  Arguments set(int index, long value) {
    slots.setAtIndex(LONG, index, value);
    return this;
  }

  @Override
  public void close() {
    memory.close();
  }
}
