package dev.gatun.runtime.cpu;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Cpuid;
import java.util.Arrays;
import java.util.Optional;

/**
 * {@link BrainProduct} of bytes: a block has 64 inputs, and sums are ints. It is made on matrix
 * tiles where the processor has them for bytes, else on vectors; which of them computes, is settled
 * once for the process, and it makes no difference to the result.
 *
 * <p>Tiles multiply signed bytes. Instructions for vectors take those of A without sign, so each
 * has an {@link #offset} more than it stands for, and the sums of a column of B begin with what
 * that adds up to, {@code -offset·Σ B}. Sums wrap around, hence are right in the end whenever they
 * are ints. Where there are none of these instructions, shorts are multiplied.
 *
 * <p>Source: Intel SDM volume 2, TDPBSSD, VPDPBUSD and VPMADDWD.
 */
final class ByteProduct {
  private static final int VECTOR_BITS = 256;

  /** What multiplies. */
  enum Unit {
    /** AMX. */
    TILES("AMX tiles"),
    /** Vectors of 512 bits, AVX512-VNNI. */
    WIDE("AVX-512 vectors"),
    /** Vectors of 256 bits, AVX-VNNI. */
    FOURS("AVX-VNNI vectors"),
    /** Vectors of 256 bits, AVX2: a factor of A is a short. */
    PAIRS("AVX2 vectors");

    private final String text;

    Unit(String text) {
      this.text = text;
    }

    /** Whether this processor has it. */
    boolean isThere() {
      var features = Cpuid.features();
      return switch (this) {
        case TILES -> features.avx512bw() && features.amxInt8() && SystemCalls.requestTiles();
        case WIDE -> features.avx512bw() && features.avx512Vnni();
        case FOURS -> features.avx2() && features.avxVnni() && ByteLanes.areFast();
        case PAIRS -> features.avx2() && ByteLanes.areFast();
      };
    }

    /** Whether it is to be used where it is. */
    boolean isWanted() {
      int bits = Integer.getInteger("gatun.cpu.vectorBits", 2 * VECTOR_BITS);
      return switch (this) {
        case TILES -> bits > VECTOR_BITS && BrainProduct.wanted();
        case WIDE -> bits > VECTOR_BITS;
        case FOURS, PAIRS -> bits >= VECTOR_BITS;
      };
    }

    /** What is added to each factor of A. */
    int offset() {
      return this == WIDE || this == FOURS ? 128 : 0;
    }

    /** Bytes of a factor of A. */
    int factorBytes() {
      return this == PAIRS ? Short.BYTES : 1;
    }

    /** Whether {@link ByteLanes} does what goes before and after; else it is code of AVX-512. */
    boolean isNarrow() {
      return this == FOURS || this == PAIRS;
    }

    /**
     * {@code C = start + Σ A·B} for some panels, see {@link BrainProduct#multiply}.
     *
     * @param steps of a row
     */
    void multiply(Arguments arguments, int rows, int panels, int steps) {
      switch (this) {
        case TILES -> {
          int blocks = Math.ceilDiv(rows, BrainProduct.ROWS);
          BrainTiles.multiply(Tiles.CODE, arguments, blocks, panels, steps);
        }
        case WIDE -> Wide.CODE.multiply(arguments, rows, panels, steps);
        case FOURS -> Fours.CODE.multiply(arguments, rows, panels, steps);
        case PAIRS -> Pairs.CODE.multiply(arguments, rows, panels, steps);
      }
    }
  }

  private ByteProduct() {}

  /** Asked when there is something to multiply, and then settled. */
  private static final class Settled {
    private static final Optional<Unit> UNIT =
        Arrays.stream(Unit.values()).filter(unit -> unit.isWanted() && unit.isThere()).findFirst();
  }

  /** Assembled when it is first needed. */
  private static final class Tiles {
    private static final BrainTiles.Code CODE = BrainTiles.Code.of(Assembler::tdpbssd, 2);
  }

  /** The same. */
  private static final class Wide {
    private static final VectorCode CODE = new VectorCode(new BrainVectors(Assembler::vpdpbusd));
  }

  /** The same. */
  private static final class Fours {
    private static final VectorCode CODE = new VectorCode(new ByteVectors(Unit.FOURS));
  }

  /** The same. */
  private static final class Pairs {
    private static final VectorCode CODE = new VectorCode(new ByteVectors(Unit.PAIRS));
  }

  /** Why there is no such product here, with the cure; empty if there is. */
  static String unavailable() {
    if (!Unit.PAIRS.isWanted()) {
      return "it needs vectors of 256 bits: leave -Dgatun.cpu.vectorBits out";
    }
    try {
      Cpuid.features(); // what refuses code is to say so itself, not while a class is initialised
      return Settled.UNIT.isPresent()
          ? ""
          : "this processor, or this JVM, has neither matrix tiles (amx_int8) nor vectors of 256 bits"
              + " (avx2) for bytes: compute in f32";
    } catch (CodeRefusedException e) {
      return e.getMessage();
    }
  }

  /** What multiplies in this process. */
  static Unit unit() {
    return Settled.UNIT.orElseThrow();
  }

  /** The same in words. */
  static String description() {
    return "int8 linear layers on " + unit().text;
  }
}
