package dev.gatun.runtime.cpu;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Cpuid;

/**
 * The product that everything in bf16 is made of: {@code C = start + Σ A·B} for some rows and some
 * panels of 32 columns, on matrix tiles where the processor has them, else on vectors.
 *
 * <p>The rows of A may be taken several times, each time from another place and with another part
 * of B: the taps of a convolution. A matrix product has one tap.
 *
 * <p>An element is one chain over taps and inputs, the same for any number of rows and panels. The
 * two units add up the pairs of inputs in different orders, so their results differ in the last
 * bits; which of them computes, is settled once for the process.
 */
final class BrainProduct {
  /** Rows of a block; A and C have room for whole blocks. */
  static final int ROWS = 32;

  /** {@code -Dgatun.cpu.tiles=false} computes on vectors though there are tiles: for tests. */
  private static final String PROPERTY = "gatun.cpu.tiles";

  private static final int VECTOR_BITS = 512;
  private static final String INTEL = "GenuineIntel";

  // The arguments, in their order. Distances and strides are bytes.

  /** Rows of A in bf16. */
  static final int A = 0;

  static final int A_STRIDE = 1;

  /** Tiles of B, {@code [taps][steps][2]} in any order of taps. */
  static final int B = 2;

  /** From a panel of B to the next. */
  static final int B_PANEL = 3;

  /** What the sums begin with. */
  static final int START = 4;

  /** 0 for a bias. */
  static final int START_STRIDE = 5;

  static final int START_PANEL = 6;

  static final int C = 7;

  static final int C_STRIDE = 8;

  static final int C_PANEL = 9;

  /** Blocks of 32 inputs in a tap. */
  static final int STEPS = 10;

  /** Blocks of rows, as high as the code's. */
  static final int BLOCKS = 11;

  /** Counts down to 0. */
  static final int PANELS = 12;

  /** How far ahead B is fetched. */
  static final int FETCH = 13;

  static final int TAPS = 14;

  /** Address of the distances of the taps from A and of their parts from B, 64 bits each. */
  static final int OFFSETS = 15;

  /** What is about to be written and is fetched meanwhile: C, or what is made of it later. */
  static final int OUT = 16;

  static final int OUT_STRIDE = 17;

  static final int OUT_PANEL = 18;

  private BrainProduct() {}

  /** Asked when there is something to multiply, and then settled. */
  private static final class Unit {
    private static final boolean TILES =
        wanted() && Cpuid.features().amxBf16() && SystemCalls.requestTiles();
  }

  /** Whether tiles are to be used where they are. */
  static boolean wanted() {
    return Boolean.parseBoolean(System.getProperty(PROPERTY, "true"));
  }

  /** Why this code has no vectors of 512 bits, with the cure; empty if it has. */
  private static String wholeVectors() {
    return Integer.getInteger("gatun.cpu.vectorBits", VECTOR_BITS) == VECTOR_BITS
        ? ""
        : "it needs vectors of 512 bits: leave -Dgatun.cpu.vectorBits out";
  }

  /** Why there is no such product here, with the cure; empty if there is. */
  static String unavailable() {
    if (!wholeVectors().isEmpty()) {
      return wholeVectors();
    }
    try {
      var features = Cpuid.features();
      if (!features.avx512bw() || !features.avx512Bf16()) {
        return "this processor has neither matrix tiles (amx_bf16) nor vectors (avx512_bf16) for"
            + " bf16: compute in f32";
      }
      if (wanted() && !Unit.TILES && Cpuid.vendor().equals(INTEL)) {
        // Measured: half as many products in a cycle as of f32.
        return "Intel's processors multiply bf16 fast on matrix tiles alone, and "
            + (features.amxBf16() ? "Linux does not give them" : "this one has none")
            + ": compute in f32";
      }
    } catch (CodeRefusedException e) {
      return e.getMessage();
    }
    return "";
  }

  /** Whether there are tiles; else vectors, which are about twice as fast as those of f32. */
  static boolean onTiles() {
    return Unit.TILES;
  }

  /** What multiplies here. */
  static String description() {
    return Unit.TILES ? "bf16 on AMX tiles" : "bf16 on AVX-512 vectors";
  }

  /**
   * {@code C = start + Σ A·B} for some panels, in as few calls as are short enough. May write whole
   * blocks of rows, and changes the arguments.
   *
   * @param steps of a row, those of all taps
   */
  static void multiply(Arguments arguments, int rows, int panels, int steps) {
    multiply(arguments, rows, panels, steps, false);
  }

  /** The same where the sums begin with zeros and all operands are in the second-level cache. */
  static void multiplyNear(Arguments arguments, int rows, int panels, int steps) {
    multiply(arguments, rows, panels, steps, true);
  }

  private static void multiply(Arguments arguments, int rows, int panels, int steps, boolean near) {
    if (!Unit.TILES) {
      BrainVectors.multiply(arguments, rows, panels, steps);
      return;
    }
    int most = BrainTiles.rowsOfCall(steps);
    if (rows <= most) {
      tiles(arguments, rows, panels, steps, near);
      return;
    }
    long a = arguments.get(A);
    long b = arguments.get(B);
    long start = arguments.get(START);
    long c = arguments.get(C);
    for (int panel = 0; panel < panels; panel++) {
      for (int row = 0; row < rows; row += most) {
        arguments
            .set(A, a + row * arguments.get(A_STRIDE))
            .set(B, b + panel * arguments.get(B_PANEL))
            .set(
                START,
                start + panel * arguments.get(START_PANEL) + row * arguments.get(START_STRIDE))
            .set(C, c + panel * arguments.get(C_PANEL) + row * arguments.get(C_STRIDE));
        tiles(arguments, Math.min(most, rows - row), 1, steps, near);
      }
    }
  }

  private static void tiles(Arguments arguments, int rows, int panels, int steps, boolean near) {
    if (near) {
      BrainTiles.multiplyNear(arguments, rows, panels, steps);
    } else {
      BrainTiles.multiply(arguments, rows, panels, steps);
    }
  }
}
