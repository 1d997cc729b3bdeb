package dev.gatun.runtime.cpu;

import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.CpuFeatures;

/** {@link BrainTiles} of signed bytes: a block has 64 inputs, and sums are ints. */
final class ByteTiles {
  private ByteTiles() {}

  /** Assembled when it is first needed. */
  private static final class Bytes {
    private static final BrainTiles.Code CODE = BrainTiles.Code.of(Assembler::tdpbssd, 2);
  }

  /** Why they cannot be used here, with the cure; empty if they can. */
  static String unavailable() {
    return BrainTiles.unavailable(
        CpuFeatures::amxInt8,
        "this processor has no matrix tiles for bytes (amx_int8): compute in f32");
  }

  /**
   * {@code C = start + Σ A·B} for some panels, see {@link BrainTiles#multiply}.
   *
   * @param steps of a block of rows
   */
  static void multiply(Arguments arguments, int blocks, int panels, int steps) {
    BrainTiles.multiply(Bytes.CODE, arguments, blocks, panels, steps);
  }
}
