package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Cpuid;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * {@link MicroKernel} in machine code, for many tiles in a call; assembled once in a process, when
 * this class is first used. Every element is the same chain of fused multiply-adds, so its bits are
 * the same, too.
 */
final class FloatTiles {
  /** Rows of a call, which keeps a collector waiting, at the most: some 50 µs. */
  static final int CHUNK = 8 * MicroKernel.ROWS;

  private static final FunctionDescriptor TYPE =
      FunctionDescriptor.ofVoid(
          ADDRESS, ADDRESS, ADDRESS, ADDRESS, // a, b, start, c
          JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, // bytes from there
          JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, // k, step, rows, advance
          JAVA_LONG, JAVA_LONG); // next, end

  /** Null where it cannot be used. */
  private static final MethodHandle MULTIPLY = multiply();

  /** Whether products are computed here; elsewhere it is the Vector API that computes them. */
  static final boolean USED = MULTIPLY != null;

  private FloatTiles() {}

  private static MethodHandle multiply() {
    // Nobody asked for it: a JVM that would print a warning about native access is left in peace.
    if (!SystemCalls.class.getModule().isNativeAccessEnabled()) {
      return null;
    }
    try {
      if (!isKnown(Lanes.BYTES)) {
        return null;
      }
      int stride = MicroKernel.STRIDE * Float.BYTES;
      var code = new FloatTileCode(Lanes.BYTES == 64, MicroKernel.ROWS, stride).assemble();
      // Never closed: some kilobytes for as long as the JVM runs.
      return ExecutableMemory.of(code).heapHandle(0, TYPE);
    } catch (CodeRefusedException e) {
      return null; // it is allowed to be refused: the Vector API needs nobody's permission
    }
  }

  /** Whether there is code for vectors of so many bytes, and this processor can execute it. */
  private static boolean isKnown(int vector) {
    return switch (vector) {
      case 64 -> Cpuid.features().avx512f();
      case 32 -> {
        var features = Cpuid.features();
        yield features.avx2() && features.fma();
      }
      default -> false;
    };
  }

  /**
   * {@code C = start + A·B} for up to {@link #CHUNK} rows, see {@link MicroKernel#multiply}.
   *
   * @param a rows of A in tiles of {@link MicroKernel#ROWS}, {@link MicroKernel#STRIDE} apart
   * @param at index of the first element of A
   * @param advance from a tile of A to the next
   * @param b memory that the panel {@code [k][WIDTH]} is in
   * @param from byte offset of the panel
   * @param start where the sums begin
   * @param begin index of the first element of it
   * @param step distance between its rows: 0 for one row, else {@link MicroKernel#WIDTH}
   * @param c where the sums end, rows {@link MicroKernel#WIDTH} apart
   * @param to index of the first element of C
   * @param next address of what will be wanted soon, 0 for nothing
   * @param end where it ends
   */
  static void multiply(
      MemorySegment a,
      int at,
      int advance,
      MemorySegment b,
      long from,
      int k,
      MemorySegment start,
      int begin,
      int step,
      MemorySegment c,
      int to,
      int rows,
      long next,
      long end) {
    try {
      MULTIPLY.invokeExact(
          a,
          b,
          start,
          c,
          bytes(at),
          from,
          bytes(begin),
          bytes(to),
          (long) k,
          bytes(step),
          (long) rows,
          bytes(advance),
          next,
          end);
    } catch (RuntimeException | Error e) {
      throw e; // memory that has been closed
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static long bytes(int floats) {
    return (long) floats * Float.BYTES;
  }
}
