package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Precision;
import java.util.Locale;

/**
 * How products of f32 matrices are computed: as the property {@value #PROPERTY} says, {@code f32},
 * {@code tf32} or {@code bf16}; without it, in the precision that the backend is opened with. Sums
 * are f32 in any case.
 */
enum Products {
  /** Factors with all their 24 bits. */
  F32,
  /** Factors rounded to 11 bits, on tensor cores. */
  TF32,
  /** Factors rounded to 8 bits, on tensor cores, also those of attention. */
  BF16;

  /** A system property. */
  static final String PROPERTY = "gatun.cuda.math";

  /** Those of a backend that is opened with a precision. */
  static Products of(Precision asked) {
    return of(System.getProperty(PROPERTY, asked.toString()));
  }

  private static Products of(String name) {
    for (var products : values()) {
      if (products.toString().equals(name)) {
        return products;
      }
    }
    throw new IllegalArgumentException(
        "-D" + PROPERTY + "=" + name + " is unknown: give f32, tf32 or bf16");
  }

  /** What the contract calls it, which does not know TF32. */
  Precision precision() {
    return this == BF16 ? Precision.BF16 : Precision.F32;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
