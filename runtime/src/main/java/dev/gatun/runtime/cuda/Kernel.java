package dev.gatun.runtime.cuda;

import java.lang.foreign.MemorySegment;

/** A kernel, compiled and loaded when it is first launched: few programs need them all. */
final class Kernel {
  private final Kernels owner;
  private final String source;
  private final String name;
  private MemorySegment function;

  /**
   * @param source its file, without {@code .cu}
   * @param name as the source calls it
   */
  Kernel(Kernels owner, String source, String name) {
    this.owner = owner;
    this.source = source;
    this.name = name;
  }

  String name() {
    return name;
  }

  /**
   * The driver's handle.
   *
   * @throws CudaException if it does not compile or load
   */
  MemorySegment function() {
    if (function == null) {
      function = owner.load(source, name);
    }
    return function;
  }
}
