package dev.gatun.runtime.cpu.asm;

/**
 * A register of 128 bits.
 *
 * @param number 0 to 31
 * @param mask of a destination: the elements to write, K0 for all
 * @param zeroing of a destination: the other elements become zero instead of staying
 */
public record Xmm(int number, Mask mask, boolean zeroing) implements Vector {
  /** Checks the number. */
  public Xmm {
    Vector.check(number, mask, zeroing);
  }

  /** Without a mask. */
  public static Xmm xmm(int number) {
    return new Xmm(number, Mask.K0, false);
  }

  /** Intel writes it {@code xmm{k}}: elements outside of the mask stay as they are. */
  public Xmm merging(Mask k) {
    return new Xmm(number, Operands.checked(k), false);
  }

  /** Intel writes it {@code xmm{k}{z}}: elements outside of the mask become zero. */
  public Xmm zeroing(Mask k) {
    return new Xmm(number, Operands.checked(k), true);
  }

  @Override
  public int length() {
    return 0;
  }
}
