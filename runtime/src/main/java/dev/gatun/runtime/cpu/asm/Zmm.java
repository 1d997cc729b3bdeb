package dev.gatun.runtime.cpu.asm;

/**
 * A register of 512 bits.
 *
 * @param number 0 to 31
 * @param mask of a destination: the elements to write, K0 for all
 * @param zeroing of a destination: the other elements become zero instead of staying
 */
public record Zmm(int number, Mask mask, boolean zeroing) implements Vector, ZmmOrMemory {
  /** Checks the number. */
  public Zmm {
    Vector.check(number, mask, zeroing);
  }

  /** Without a mask. */
  public static Zmm zmm(int number) {
    return new Zmm(number, Mask.K0, false);
  }

  /** Intel writes it {@code zmm{k}}: elements outside of the mask stay as they are. */
  public Zmm merging(Mask k) {
    return new Zmm(number, Operands.checked(k), false);
  }

  /** Intel writes it {@code zmm{k}{z}}: elements outside of the mask become zero. */
  public Zmm zeroing(Mask k) {
    return new Zmm(number, Operands.checked(k), true);
  }

  @Override
  public int length() {
    return 2;
  }
}
