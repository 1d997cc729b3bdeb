package dev.gatun.bindings.loader;

import java.lang.foreign.MemorySegment;

/** Texts that a library owns. */
public final class NativeText {
  private static final long MOST = 4096;

  private NativeText() {}

  /**
   * The text of C that a pointer points to, or an empty one for the null pointer.
   *
   * @param pointer a segment of no size, as functions return it
   * @throws IndexOutOfBoundsException if no end is found in the first 4096 bytes
   */
  public static String at(MemorySegment pointer) {
    return pointer.equals(MemorySegment.NULL) ? "" : pointer.reinterpret(MOST).getString(0);
  }
}
