package dev.gatun.runtime.cpu.asm;

/** A vector register; as a destination with a mask if need be. */
public sealed interface Vector permits Xmm, Ymm, Zmm {
  /** 0 to 31. */
  int number();

  /** Of the elements that are written; K0 for all. */
  Mask mask();

  /** Whether the others become zero; else they stay as they are. */
  boolean zeroing();

  /** As VEX and EVEX encode it: 0, 1 and 2 for 128, 256 and 512 bits. */
  int length();

  /** 16, 32 or 64. */
  default int bytes() {
    return 16 << length();
  }

  /** Checks the arguments of a register. */
  static void check(int number, Mask mask, boolean zeroing) {
    Operands.require(
        number >= 0 && number < 32, "there is no vector register %d: use 0 to 31", number);
    Operands.require(
        !zeroing || mask != Mask.K0, "%s is no mask of an operand: use k1 to k7", mask);
  }
}
