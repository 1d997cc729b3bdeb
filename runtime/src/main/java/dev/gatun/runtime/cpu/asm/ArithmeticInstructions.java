package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.VectorOpcode.VADDPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VCVTDQ2PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VCVTNE2PS2BF16;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VCVTNEPS2BF16;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VCVTPS2DQ;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VDIVPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VDPBF16PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VFMADD213PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VFMADD231PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VFNMADD231PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMAXPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMINPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMULPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPADDD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPANDD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPDPBUSD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPMADDWD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPMAXUD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPORD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPSLLD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPSLLW;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPSRAW;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPSRLD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPXORD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VRCP14PS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VRNDSCALEPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VSCALEFPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VSQRTPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VSUBPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VXORPS;

/**
 * Instructions that compute with vectors. A source in memory may be a single element for all:
 * {@code vaddps(zmm(1), zmm(2), Address.of(RAX).broadcasting())}; a destination may have a mask.
 *
 * <p>Source: Intel SDM volume 2, chapters 3 to 5, under the name of each.
 */
abstract sealed class ArithmeticInstructions extends MoveInstructions permits Assembler {
  // floats

  /** first + second. */
  public void vaddps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VADDPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vaddps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VADDPS, destination, first, second);
  }

  /** first - second. */
  public void vsubps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VSUBPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vsubps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VSUBPS, destination, first, second);
  }

  /** first * second. */
  public void vmulps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VMULPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vmulps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VMULPS, destination, first, second);
  }

  /** first / second. */
  public void vdivps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VDIVPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vdivps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VDIVPS, destination, first, second);
  }

  /** The greater one; second if either is NaN. */
  public void vmaxps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VMAXPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vmaxps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VMAXPS, destination, first, second);
  }

  /** The lesser one; second if either is NaN. */
  public void vminps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VMINPS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vminps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VMINPS, destination, first, second);
  }

  /** destination = first * second + destination, rounded once. */
  public void vfmadd231ps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VFMADD231PS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vfmadd231ps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VFMADD231PS, destination, first, second);
  }

  /** destination = first * destination + second, rounded once. */
  public void vfmadd213ps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VFMADD213PS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vfmadd213ps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VFMADD213PS, destination, first, second);
  }

  /** destination = -(first * second) + destination, rounded once. */
  public void vfnmadd231ps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VFNMADD231PS, destination, first, second);
  }

  /** The same of 8 floats. */
  public void vfnmadd231ps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VFNMADD231PS, destination, first, second);
  }

  /** first * 2^floor(second). */
  public void vscalefps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VSCALEFPS, destination, first, second);
  }

  /** Exclusive or. */
  public void vxorps(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VXORPS, destination, first, second);
  }

  /**
   * Rounds to a fraction: the upper four bits of choice are its length, the lower ones how to
   * round.
   */
  public void vrndscaleps(Zmm destination, ZmmOrMemory source, int choice) {
    Operands.checkedByte(choice);
    switch (source) {
      case Zmm register -> vectors.emit(VRNDSCALEPS, destination, null, register, choice);
      case Address memory -> vectors.emit(VRNDSCALEPS, destination, null, memory, choice);
    }
  }

  /** 1 / source with a relative error below 2^-14. */
  public void vrcp14ps(Zmm destination, ZmmOrMemory source) {
    switch (source) {
      case Zmm register -> vectors.emit(VRCP14PS, destination, null, register);
      case Address memory -> vectors.emit(VRCP14PS, destination, null, memory);
    }
  }

  /** √source, correctly rounded. */
  public void vsqrtps(Zmm destination, ZmmOrMemory source) {
    switch (source) {
      case Zmm register -> vectors.emit(VSQRTPS, destination, null, register);
      case Address memory -> vectors.emit(VSQRTPS, destination, null, memory);
    }
  }

  // conversions and bf16

  /** Floats to ints, rounded to nearest even. */
  public void vcvtps2dq(Zmm destination, ZmmOrMemory source) {
    switch (source) {
      case Zmm register -> vectors.emit(VCVTPS2DQ, destination, null, register);
      case Address memory -> vectors.emit(VCVTPS2DQ, destination, null, memory);
    }
  }

  /** Ints to floats. */
  public void vcvtdq2ps(Zmm destination, ZmmOrMemory source) {
    switch (source) {
      case Zmm register -> vectors.emit(VCVTDQ2PS, destination, null, register);
      case Address memory -> vectors.emit(VCVTDQ2PS, destination, null, memory);
    }
  }

  /** 16 floats to bf16, rounded to nearest even. */
  public void vcvtneps2bf16(Ymm destination, ZmmOrMemory source) {
    switch (source) {
      case Zmm register -> vectors.emit(VCVTNEPS2BF16, destination, null, register);
      case Address memory -> vectors.emitNarrowing(VCVTNEPS2BF16, destination, memory);
    }
  }

  /** 32 floats to bf16: those of second become the lower half. */
  public void vcvtne2ps2bf16(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VCVTNE2PS2BF16, destination, first, second);
  }

  /** destination += the sum of two products of bf16 pairs. */
  public void vdpbf16ps(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VDPBF16PS, destination, first, second);
  }

  // integers

  /** destination += the sum of four products of unsigned with signed bytes. */
  public void vpdpbusd(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPDPBUSD, destination, first, second);
  }

  /** The same of 32 bytes each (AVX-VNNI). */
  public void vpdpbusd(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VPDPBUSD, destination, first, second);
  }

  /** Ints, each the sum of two products of signed shorts. */
  public void vpmaddwd(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VPMADDWD, destination, first, second);
  }

  /** first + second, of ints. */
  public void vpaddd(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPADDD, destination, first, second);
  }

  /** The same of 8 ints. */
  public void vpaddd(Ymm destination, Ymm first, YmmOrMemory second) {
    three(VPADDD, destination, first, second);
  }

  /** The greater one, of ints without sign. */
  public void vpmaxud(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPMAXUD, destination, first, second);
  }

  /** first &amp; second. */
  public void vpandd(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPANDD, destination, first, second);
  }

  /** first | second. */
  public void vpord(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPORD, destination, first, second);
  }

  /** first ^ second; of a register with itself zero. */
  public void vpxord(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPXORD, destination, first, second);
  }

  /** Ints to the left. */
  public void vpslld(Zmm destination, Zmm source, int bits) {
    vectors.emitShift(VPSLLD, 6, destination, source, Operands.checkedByte(bits));
  }

  /** Ints to the right, without sign. */
  public void vpsrld(Zmm destination, Zmm source, int bits) {
    vectors.emitShift(VPSRLD, 2, destination, source, Operands.checkedByte(bits));
  }

  /** Shorts to the left. */
  public void vpsllw(Ymm destination, Ymm source, int bits) {
    vectors.emitShift(VPSLLW, 6, destination, source, Operands.checkedByte(bits));
  }

  /** Shorts to the right, with sign. */
  public void vpsraw(Ymm destination, Ymm source, int bits) {
    vectors.emitShift(VPSRAW, 4, destination, source, Operands.checkedByte(bits));
  }
}
