package dev.gatun.runtime.cpu;

import java.lang.foreign.MemorySegment;

/**
 * An array, and the same as a segment, which machine code is given: to make one for each call would
 * leave an object behind.
 */
record Floats(float[] array, MemorySegment segment) {
  static final Floats NONE = of(0);

  /** Zeros. */
  static Floats of(int size) {
    float[] array = new float[size];
    return new Floats(array, MemorySegment.ofArray(array));
  }

  /** This, or a new one if it has less than so many floats. */
  Floats atLeast(int size) {
    return array.length < size ? of(size) : this;
  }
}
