package dev.gatun.runtime.cpu;

/** The buffers of one worker: they grow to what the largest operator needs and are then kept. */
final class Scratch {
  private static final int SLOTS = 6;

  private final float[][] floats = new float[SLOTS][0];
  private double[] doubles = new double[0];

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
}
