package dev.gatun.runtime.cpu.asm;

import java.util.Objects;

/**
 * A place in memory: base + index × scale + displacement, or a label + displacement.
 *
 * @param base null where there is a label
 * @param index or null; not RSP
 * @param scale 1, 2, 4 or 8
 * @param label or null
 * @param broadcast whether one element of 32 bits stands for all
 * @param mask of a store: the elements to write, K0 for all
 */
public record Address(
    Gp base, Gp index, int scale, int displacement, Label label, boolean broadcast, Mask mask)
    implements ZmmOrMemory, YmmOrMemory {
  /** Checks that there is an encoding. */
  public Address {
    Operands.require(
        (base == null) != (label == null), "an address has a base or a label, this one %s", base);
    Operands.require(label == null || index == null, "with a label there is no index %s", index);
    Operands.require(index != Gp.RSP, "%s cannot be an index: use another register", index);
    Operands.require(
        scale == 1 || scale == 2 || scale == 4 || scale == 8,
        "an index cannot be scaled by %d: use 1, 2, 4 or 8",
        scale);
  }

  /** {@code [base]}. */
  public static Address of(Gp base) {
    return of(base, 0);
  }

  /** {@code [base + displacement]}. */
  public static Address of(Gp base, int displacement) {
    return new Address(Objects.requireNonNull(base), null, 1, displacement, null, false, Mask.K0);
  }

  /** {@code [rip + label]}: what lies in the code itself. */
  public static Address of(Label label) {
    return new Address(null, null, 1, 0, Objects.requireNonNull(label), false, Mask.K0);
  }

  /** {@code [base + index * scale]}. */
  public static Address at(Gp base, Gp index, int scale) {
    return at(base, index, scale, 0);
  }

  /** {@code [base + index * scale + displacement]}. */
  public static Address at(Gp base, Gp index, int scale, int displacement) {
    return new Address(
        Objects.requireNonNull(base),
        Objects.requireNonNull(index),
        scale,
        displacement,
        null,
        false,
        Mask.K0);
  }

  /** So many bytes further. */
  public Address plus(int bytes) {
    return new Address(
        base, index, scale, Math.addExact(displacement, bytes), label, broadcast, mask);
  }

  /** Intel writes it {@code [...]{1to16}}: a float or int of it stands for all elements. */
  public Address broadcasting() {
    return new Address(base, index, scale, displacement, label, true, mask);
  }

  /** Intel writes it {@code [...]{k}}: a store leaves what is outside of the mask as it is. */
  public Address merging(Mask k) {
    return new Address(base, index, scale, displacement, label, broadcast, Operands.checked(k));
  }

  /** For an instruction of this code that knows neither broadcasts nor masks. */
  Address plainIn(CodeBuffer code) {
    checkLabel(code);
    Operands.require(!broadcast, "this instruction cannot broadcast %s", this);
    Operands.require(mask == Mask.K0, "this instruction takes no mask: %s", this);
    return this;
  }

  /** A label must be of the same code. */
  void checkLabel(CodeBuffer code) {
    if (label != null) {
      code.check(label);
    }
  }
}
