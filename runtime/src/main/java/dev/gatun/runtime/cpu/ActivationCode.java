package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Label;
import dev.gatun.runtime.cpu.asm.Zmm;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Emits pointwise functions on vectors of 16 floats: the formulas of {@link Pointwise} and {@link
 * Exponential}, with a division that is a reciprocal of 14 bits and one step of Newton's. Several
 * vectors go through a function side by side, since each alone would wait for its own results.
 *
 * <p>Registers from {@link #FIRST} on are used. Constants stand behind the code, where {@link
 * #place} puts them, and are broadcast from there.
 */
final class ActivationCode {
  /** The first register that is overwritten. */
  static final int FIRST = 8;

  /** Registers for each vector. */
  private static final int EACH = 4;

  /** Round to nearest even, to a whole number. */
  private static final int NEAREST = 0;

  private static final float MAX2 = 127;
  private static final float LOG2_E = Exponential.LOG2_E;
  private static final float SQRT_2_PI = 0.7978845608f;
  private static final float[] POWER = {
    Exponential.P6,
    Exponential.P5,
    Exponential.P4,
    Exponential.P3,
    Exponential.P2,
    Exponential.P1,
    1
  };
  // the minimax polynomial of degree 4 for |r| ≤ ½
  private static final float[] SHORT_POWER = {
    0.009570100344717503f,
    0.05591785907745361f,
    0.240247443318367f,
    0.6931217908859253f,
    0.9999992847442627f
  };
  // erf(z) = z·P(z²) / Q(z²), see Pointwise
  private static final float[] ERF_P = {
    -2.72614225801306e-10f,
    2.77068142495902e-08f,
    -2.10102402082508e-06f,
    -5.69250639462346e-05f,
    -7.34990630326855e-04f,
    -2.95459980854025e-03f,
    -1.60960333262415e-02f
  };
  private static final float[] ERF_Q = {
    -1.45660718464996e-05f,
    -2.13374055278905e-04f,
    -1.68282697438203e-03f,
    -7.37332916720468e-03f,
    -1.42647390514189e-02f
  };

  private final Assembler a;
  private final Map<Float, Label> constants = new LinkedHashMap<>();

  ActivationCode(Assembler a) {
    this.a = a;
  }

  /** A constant for all elements, as the second operand of an instruction. */
  Address all(float value) {
    return Address.of(constants.computeIfAbsent(value, v -> a.label())).broadcasting();
  }

  /** Puts the constants here. */
  void place() {
    a.align(Float.BYTES);
    constants.forEach(
        (value, label) -> {
          a.bind(label);
          a.data(value);
        });
  }

  /** {@code x = activation(x)} of each register. */
  void activate(Activation activation, Zmm... x) {
    switch (activation) {
      case IDENTITY -> {}
      case SILU -> sigmoidUnit(-1, 0, x);
      case QUICK_GELU -> sigmoidUnit(-1.702f, 0, x);
      case GELU_TANH -> sigmoidUnit(-2 * SQRT_2_PI, -2 * SQRT_2_PI * 0.044715f, x);
      case GELU_ERF -> geluErf(x);
      case RELU -> {
        a.vpxord(zmm(FIRST), zmm(FIRST), zmm(FIRST));
        for (var register : x) {
          a.vmaxps(register, zmm(FIRST), register); // NaN stays
        }
      }
    }
  }

  /** {@code x = 2^x} of each register, with a relative error below 5·10⁻⁶: enough for bf16. */
  void powerOfTwo(Zmm... x) {
    for (int i = 0; i < x.length; i++) {
      a.vrndscaleps(work(i, 1), x[i], NEAREST);
      a.vsubps(work(i, 0), x[i], work(i, 1));
    }
    polynomial(x.length, SHORT_POWER, 0, 2);
    for (int i = 0; i < x.length; i++) {
      a.vscalefps(x[i], work(i, 2), work(i, 1));
    }
  }

  /** One of the registers of a vector. */
  private static Zmm work(int vector, int i) {
    return zmm(FIRST + vector * EACH + i);
  }

  /** {@code x / (1 + 2^(x(c + dx²)))}, c and d being a and b times log₂e. */
  private void sigmoidUnit(float factor, float cubic, Zmm... x) {
    for (int i = 0; i < x.length; i++) {
      var u = work(i, 0);
      if (cubic == 0) {
        a.vmulps(u, x[i], all(factor * LOG2_E));
      } else {
        // in this order, because x² may be infinite
        a.vmulps(u, x[i], all(cubic * LOG2_E));
        a.vfmadd213ps(u, x[i], all(factor * LOG2_E));
        a.vmulps(u, u, x[i]);
      }
      // The second operand is what remains of a NaN.
      var limit = work(i, 1);
      a.vbroadcastss(limit, one(Exponential.MIN2));
      a.vmaxps(u, limit, u);
      a.vbroadcastss(limit, one(MAX2));
      a.vminps(u, limit, u);
    }
    power(x.length);
    for (int i = 0; i < x.length; i++) {
      a.vaddps(work(i, 0), work(i, 0), all(1));
    }
    divide(x.length);
    for (int i = 0; i < x.length; i++) {
      a.vmulps(x[i], x[i], work(i, 0));
    }
  }

  /** A constant, to be broadcast by the instruction. */
  Address one(float value) {
    return Address.of(constants.computeIfAbsent(value, v -> a.label()));
  }

  /** {@code work0 = 2^work0}, for numbers that are not much below -126. */
  private void power(int vectors) {
    for (int i = 0; i < vectors; i++) {
      a.vrndscaleps(work(i, 1), work(i, 0), NEAREST);
      a.vsubps(work(i, 0), work(i, 0), work(i, 1));
    }
    polynomial(vectors, POWER, 0, 2);
    for (int i = 0; i < vectors; i++) {
      a.vscalefps(work(i, 0), work(i, 2), work(i, 1));
    }
  }

  /** {@code work(to) = polynomial(work(of))}, the highest power first. */
  private void polynomial(int vectors, float[] coefficients, int of, int to) {
    for (int i = 0; i < vectors; i++) {
      a.vbroadcastss(work(i, to), one(coefficients[0]));
    }
    for (int c = 1; c < coefficients.length; c++) {
      for (int i = 0; i < vectors; i++) {
        a.vfmadd213ps(work(i, to), work(i, of), all(coefficients[c]));
      }
    }
  }

  /** {@code work0 = 1 / work0}. */
  private void divide(int vectors) {
    for (int i = 0; i < vectors; i++) {
      a.vrcp14ps(work(i, 1), work(i, 0));
      a.vbroadcastss(work(i, 2), one(2));
      a.vfnmadd231ps(work(i, 2), work(i, 0), work(i, 1));
      a.vmulps(work(i, 0), work(i, 1), work(i, 2));
    }
  }

  /** {@code ½x(1 + erf(x/√2))}; beyond ±4 erf is ±1 in f32. */
  private void geluErf(Zmm... x) {
    for (int i = 0; i < x.length; i++) {
      var z = work(i, 3);
      a.vmulps(z, x[i], all(0.70710678f));
      a.vbroadcastss(work(i, 1), one(-4));
      a.vmaxps(z, work(i, 1), z);
      a.vbroadcastss(work(i, 1), one(4));
      a.vminps(z, work(i, 1), z);
      a.vmulps(work(i, 1), z, z);
    }
    polynomial(x.length, ERF_P, 1, 2);
    for (int i = 0; i < x.length; i++) {
      a.vmulps(work(i, 3), work(i, 3), work(i, 2));
    }
    polynomial(x.length, ERF_Q, 1, 0);
    divide(x.length);
    for (int i = 0; i < x.length; i++) {
      var erf = work(i, 3);
      a.vmulps(erf, erf, work(i, 0));
      a.vbroadcastss(work(i, 1), one(-1));
      a.vmaxps(erf, work(i, 1), erf);
      a.vbroadcastss(work(i, 1), one(1));
      a.vminps(erf, work(i, 1), erf);
      a.vaddps(erf, erf, all(1));
      a.vmulps(erf, erf, all(0.5f));
      a.vmulps(x[i], x[i], erf);
    }
  }
}
