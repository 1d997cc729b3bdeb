package dev.gatun.runtime.cpu;

import java.util.Arrays;

/** The buffers of one worker: they grow to what the largest operator needs and are then kept. */
final class Scratch {
  private static final int SLOTS = 6;

  private final Floats[] floats = new Floats[SLOTS];
  private double[] doubles = new double[0];

  Scratch() {
    Arrays.fill(floats, Floats.NONE);
  }

  /** A buffer of at least so many floats; what it holds is undefined. */
  float[] floats(int slot, int size) {
    return buffer(slot, size).array();
  }

  /** The same, for products. */
  Floats buffer(int slot, int size) {
    floats[slot] = floats[slot].atLeast(size);
    return floats[slot];
  }

  /** A buffer of at least so many doubles; what it holds is undefined. */
  double[] doubles(int size) {
    if (doubles.length < size) {
      doubles = new double[size];
    }
    return doubles;
  }
}
