package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/** What the sums of a product in bf16 begin with: the bias or zeros, for whole panels. */
final class BrainBias implements AutoCloseable {
  private final NativeBuffer buffer = new NativeBuffer();
  private long address;

  /**
   * Takes a bias.
   *
   * @param bias or null for zeros
   */
  void set(Tensor bias, int columns) {
    long bytes = (long) BrainWeight.panelCount(columns) * BrainWeight.WIDTH * Float.BYTES;
    address = buffer.atLeast(bytes);
    long given = bias == null ? 0 : (long) columns * Float.BYTES;
    if (bias != null) {
      MemorySegment.copy(bias.segment(), 0, buffer.segment(), 0, given);
    }
    buffer.segment().asSlice(given, bytes - given).fill((byte) 0);
  }

  /** Where those of a panel begin. */
  long address(int panel) {
    return address + (long) panel * BrainWeight.WIDTH * Float.BYTES;
  }

  /** All of them. */
  MemorySegment segment() {
    return buffer.segment();
  }

  @Override
  public void close() {
    buffer.close();
  }
}
