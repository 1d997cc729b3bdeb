package dev.gatun.runtime.cpu.asm;

/** Checks of what instructions are given. */
final class Operands {
  private Operands() {}

  static void require(boolean holds, String otherwise, Object detail) {
    if (!holds) {
      throw new IllegalArgumentException(otherwise.formatted(detail));
    }
  }

  /** A mask of an operand. */
  static Mask checked(Mask k) {
    require(k != Mask.K0, "%s is no mask of an operand: use k1 to k7", k);
    return k;
  }

  /** An immediate without sign. */
  static int checkedByte(int value) {
    require(value >= 0 && value < 256, "an immediate byte is 0 to 255, not %d", value);
    return value;
  }

  /** Whether a number has a sign-extended form in a byte. */
  static boolean fitsByte(long value) {
    return value == (byte) value;
  }
}
