package dev.gatun.runtime.cpu.asm;

/**
 * What a comparison found. Above and below are of unsigned numbers, greater and less of signed
 * ones.
 */
public enum Condition {
  OVERFLOW(0),
  NO_OVERFLOW(1),
  BELOW(2),
  ABOVE_OR_EQUAL(3),
  EQUAL(4),
  NOT_EQUAL(5),
  BELOW_OR_EQUAL(6),
  ABOVE(7),
  NEGATIVE(8),
  NOT_NEGATIVE(9),
  LESS(12),
  GREATER_OR_EQUAL(13),
  LESS_OR_EQUAL(14),
  GREATER(15);

  private final int code;

  Condition(int code) {
    this.code = code;
  }

  /** As instructions encode it: Intel SDM volume 2, appendix B.1.4.7. */
  int code() {
    return code;
  }
}
