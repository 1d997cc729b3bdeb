package dev.gatun.runtime.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The buffers of one worker: they grow to what the largest operator needs and are then kept. */
final class Scratch implements AutoCloseable {
  private static final int SLOTS = 4;

  private final float[][] floats = new float[SLOTS][0];
  private double[] doubles = new double[0];
  private final MemorySegment[] segments = new MemorySegment[SLOTS];
  private final Arena[] arenas = new Arena[SLOTS];

  /** A buffer of at least so many floats; what it holds is undefined. */
  float[] floats(int slot, int size) {
    if (floats[slot].length < size) {
      floats[slot] = new float[size];
    }
    return floats[slot];
  }

  /** A buffer of at least so many doubles; what it holds is undefined. */
  double[] doubles(int size) {
    if (doubles.length < size) {
      doubles = new double[size];
    }
    return doubles;
  }

  /** An aligned off-heap buffer of at least so many floats; what it holds is undefined. */
  MemorySegment segment(int slot, long size) {
    if (segments[slot] == null || segments[slot].byteSize() < size * Float.BYTES) {
      close(slot);
      arenas[slot] = Arena.ofShared();
      segments[slot] = arenas[slot].allocate(size * Float.BYTES, 64);
    }
    return segments[slot];
  }

  private void close(int slot) {
    if (arenas[slot] != null) {
      arenas[slot].close();
    }
  }

  @Override
  public void close() {
    for (int slot = 0; slot < SLOTS; slot++) {
      close(slot);
      arenas[slot] = null;
      segments[slot] = null;
    }
  }
}
