package dev.gatun.runtime;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * How many bytes this thread has allocated on the heap so far. The management module is reached by
 * name, because the module under test does not read it.
 */
public final class Allocated {
  private static final MethodHandle BYTES = bytesHandle();

  private Allocated() {}

  private static MethodHandle bytesHandle() {
    try {
      var bean =
          Class.forName("java.lang.management.ManagementFactory")
              .getMethod("getThreadMXBean")
              .invoke(null);
      return MethodHandles.publicLookup()
          .findVirtual(
              Class.forName("com.sun.management.ThreadMXBean"),
              "getCurrentThreadAllocatedBytes",
              MethodType.methodType(long.class))
          .bindTo(bean);
    } catch (ReflectiveOperationException e) {
      throw new AssertionError("this JDK does not count allocated bytes", e);
    }
  }

  public static long bytes() {
    try {
      return (long) BYTES.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
