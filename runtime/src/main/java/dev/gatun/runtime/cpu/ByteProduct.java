package dev.gatun.runtime.cpu;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Cpuid;

/**
 * {@link BrainProduct} of bytes: a block has 64 inputs, and sums are ints. It is made on matrix
 * tiles where the processor has them for bytes, else on vectors; which of them computes, is settled
 * once for the process, and it makes no difference to the result.
 *
 * <p>Tiles multiply signed bytes. Vectors take those of A without sign, so each has an {@link
 * #offset} more than it stands for, and the sums of a column of B begin with what that adds up to,
 * {@code -offset·Σ B}. Sums wrap around, hence are right in the end whenever they are ints.
 *
 * <p>Source: Intel SDM volume 2, TDPBSSD and VPDPBUSD.
 */
final class ByteProduct {
  private ByteProduct() {}

  /** Asked when there is something to multiply, and then settled. */
  private static final class Unit {
    private static final boolean TILES =
        BrainProduct.wanted() && Cpuid.features().amxInt8() && SystemCalls.requestTiles();
  }

  /** Assembled when it is first needed. */
  private static final class Tiles {
    private static final BrainTiles.Code CODE = BrainTiles.Code.of(Assembler::tdpbssd, 2);
  }

  /** The same. */
  private static final class Vectors {
    private static final BrainVectors.Code CODE = BrainVectors.Code.of(Assembler::vpdpbusd);
  }

  /** Why there is no such product here, with the cure; empty if there is. */
  static String unavailable() {
    if (!BrainProduct.wholeVectors().isEmpty()) {
      return BrainProduct.wholeVectors();
    }
    try {
      var features = Cpuid.features();
      boolean vectors = features.avx512bw() && features.avx512Vnni();
      return vectors || Unit.TILES
          ? ""
          : "this processor has neither matrix tiles (amx_int8) nor vectors (avx512_vnni) for"
              + " bytes: compute in f32";
    } catch (CodeRefusedException e) {
      return e.getMessage();
    }
  }

  /** What multiplies here. */
  static String description() {
    return Unit.TILES ? "int8 linear layers on AMX tiles" : "int8 linear layers on AVX-512 vectors";
  }

  /** What is added to each byte of A. */
  static int offset() {
    return Unit.TILES ? 0 : 128;
  }

  /**
   * Panels whose sums are best made before floats are made of them: few, so that they and the lines
   * of the result, which the product fetches, are still near. Tiles fetch the next panel meanwhile;
   * on vectors there is nothing to be gained.
   */
  static int panelsTogether() {
    return Unit.TILES ? 4 : 1;
  }

  /**
   * {@code C = start + Σ A·B} for some panels, see {@link BrainProduct#multiply}.
   *
   * @param steps of a row
   */
  static void multiply(Arguments arguments, int rows, int panels, int steps) {
    if (Unit.TILES) {
      multiplyOnTiles(arguments, rows, panels, steps);
    } else {
      multiplyOnVectors(arguments, rows, panels, steps);
    }
  }

  /** Of signed bytes. */
  static void multiplyOnTiles(Arguments arguments, int rows, int panels, int steps) {
    int blocks = Math.ceilDiv(rows, BrainProduct.ROWS);
    BrainTiles.multiply(Tiles.CODE, arguments, blocks, panels, steps);
  }

  /** Of bytes without sign in A. */
  static void multiplyOnVectors(Arguments arguments, int rows, int panels, int steps) {
    BrainVectors.multiply(Vectors.CODE, arguments, rows, panels, steps);
  }
}
