package dev.gatun.bindings.loader;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory that a library allocated, as a segment that ends with an arena. */
public final class NativeMemory {
  private NativeMemory() {}

  /**
   * A segment over memory of the host or of a device. That of a device must not be read or written
   * through it: its address is no address of this process.
   *
   * @param address where it begins
   * @param arena with which it ends
   * @param free called with its address when the arena is closed
   */
  public static MemorySegment at(long address, long bytes, Arena arena, Free free) {
    return MemorySegment.ofAddress(address)
        .reinterpret(bytes, arena, ended -> free.free(ended.address()));
  }

  /** Gives memory back. */
  @FunctionalInterface
  public interface Free {
    /** Must not throw. */
    void free(long address);
  }
}
