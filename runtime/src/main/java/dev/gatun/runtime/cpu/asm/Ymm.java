package dev.gatun.runtime.cpu.asm;

/**
 * A register of 256 bits.
 *
 * @param number 0 to 31
 * @param mask of a destination: the elements to write, K0 for all
 * @param zeroing of a destination: the other elements become zero instead of staying
 */
public record Ymm(int number, Mask mask, boolean zeroing) implements Vector, YmmOrMemory {
  /** Checks the number. */
  public Ymm {
    Vector.check(number, mask, zeroing);
  }

  /** Without a mask. */
  public static Ymm ymm(int number) {
    return new Ymm(number, Mask.K0, false);
  }

  /** Intel writes it {@code ymm{k}}: elements outside of the mask stay as they are. */
  public Ymm merging(Mask k) {
    return new Ymm(number, Operands.checked(k), false);
  }

  /** Intel writes it {@code ymm{k}{z}}: elements outside of the mask become zero. */
  public Ymm zeroing(Mask k) {
    return new Ymm(number, Operands.checked(k), true);
  }

  @Override
  public int length() {
    return 1;
  }
}
