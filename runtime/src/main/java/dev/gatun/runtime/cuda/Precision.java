package dev.gatun.runtime.cuda;

import java.util.Locale;

/**
 * How products of f32 matrices are computed: the property {@value #PROPERTY} says {@code f32} (the
 * default), {@code tf32} or {@code bf16}. Sums are f32 in any case.
 */
enum Precision {
  /** Factors with all their 24 bits. */
  F32,
  /** Factors rounded to 11 bits, on tensor cores. */
  TF32,
  /** Factors rounded to 8 bits, on tensor cores, also those of attention. */
  BF16;

  /** A system property. */
  static final String PROPERTY = "gatun.cuda.math";

  /** That of this process. */
  static Precision ofSystem() {
    return of(System.getProperty(PROPERTY, "f32"));
  }

  static Precision of(String name) {
    for (var precision : values()) {
      if (precision.toString().equals(name)) {
        return precision;
      }
    }
    throw new IllegalArgumentException(
        "-D" + PROPERTY + "=" + name + " is unknown: give f32, tf32 or bf16");
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
