package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.VectorOpcode.Memory.ELEMENT;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.Memory.FULL;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.Memory.HALF;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.Memory.QUARTER;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.Memory.WHOLE;

/**
 * How the vector instructions are encoded: prefix, opcode map, opcode, W and what they read from
 * memory, as in the tables "Instruction Operand Encoding" of Intel SDM volume 2, chapters 3 to 5.
 */
enum VectorOpcode {
  // moves: load, then store
  VMOVUPS(0, 1, 0x10, 0, WHOLE, true),
  VMOVUPS_STORE(0, 1, 0x11, 0, WHOLE, true),
  VMOVAPS(0, 1, 0x28, 0, WHOLE, true),
  VMOVNTPS(0, 1, 0x2B, 0, WHOLE, true),
  VMOVDQU8(3, 1, 0x6F, 0, WHOLE, false),
  VMOVDQU8_STORE(3, 1, 0x7F, 0, WHOLE, false),
  VMOVDQU16(3, 1, 0x6F, 1, WHOLE, false),
  VMOVDQU16_STORE(3, 1, 0x7F, 1, WHOLE, false),
  VMOVDQU32(2, 1, 0x6F, 0, WHOLE, false),
  VMOVDQU32_STORE(2, 1, 0x7F, 0, WHOLE, false),
  VMOVDQU64(2, 1, 0x6F, 1, WHOLE, false),
  VMOVDQU64_STORE(2, 1, 0x7F, 1, WHOLE, false),
  VBROADCASTSS(1, 2, 0x18, 0, ELEMENT, true),
  VPBROADCASTD_GP(1, 2, 0x7C, 0, ELEMENT, false),
  VPMOVZXWD(1, 2, 0x33, 0, HALF, true),
  VPMOVDB(2, 2, 0x31, 0, QUARTER, false),

  // permutations
  VPERMW(1, 2, 0x8D, 1, WHOLE, false),
  VPERMD(1, 2, 0x36, 0, FULL, true),
  VPERMT2W(1, 2, 0x7D, 1, WHOLE, false),
  VPERMT2D(1, 2, 0x7E, 0, FULL, false),
  VPUNPCKLWD(1, 1, 0x61, 0, WHOLE, true),
  VPUNPCKHWD(1, 1, 0x69, 0, WHOLE, true),
  VSHUFF32X4(1, 3, 0x23, 0, FULL, false),

  // integers
  VPXORD(1, 1, 0xEF, 0, FULL, false),
  VPANDD(1, 1, 0xDB, 0, FULL, false),
  VPORD(1, 1, 0xEB, 0, FULL, false),
  VPADDD(1, 1, 0xFE, 0, FULL, true),
  VPMAXUD(1, 2, 0x3F, 0, FULL, true),
  VPSLLD(1, 1, 0x72, 0, FULL, true),
  VPSRLD(1, 1, 0x72, 0, FULL, true),
  VPDPBUSD(1, 2, 0x50, 0, FULL, true),
  VPMADDWD(1, 1, 0xF5, 0, WHOLE, true),
  VPSLLW(1, 1, 0x71, 0, WHOLE, true),
  VPSRAW(1, 1, 0x71, 0, WHOLE, true),

  // floats
  VADDPS(0, 1, 0x58, 0, FULL, true),
  VSQRTPS(0, 1, 0x51, 0, FULL, true),
  VMULPS(0, 1, 0x59, 0, FULL, true),
  VSUBPS(0, 1, 0x5C, 0, FULL, true),
  VMINPS(0, 1, 0x5D, 0, FULL, true),
  VDIVPS(0, 1, 0x5E, 0, FULL, true),
  VMAXPS(0, 1, 0x5F, 0, FULL, true),
  VXORPS(0, 1, 0x57, 0, FULL, true),
  VFMADD213PS(1, 2, 0xA8, 0, FULL, true),
  VFMADD231PS(1, 2, 0xB8, 0, FULL, true),
  VFNMADD231PS(1, 2, 0xBC, 0, FULL, true),
  VSCALEFPS(1, 2, 0x2C, 0, FULL, false),
  VRNDSCALEPS(1, 3, 0x08, 0, FULL, false),
  VRCP14PS(1, 2, 0x4C, 0, FULL, false),

  // conversions and bf16
  VCVTPS2DQ(1, 1, 0x5B, 0, FULL, true),
  VCVTDQ2PS(0, 1, 0x5B, 0, FULL, true),
  VCVTNEPS2BF16(2, 2, 0x72, 0, FULL, false),
  VCVTNE2PS2BF16(3, 2, 0x72, 0, FULL, false),
  VDPBF16PS(2, 2, 0x52, 0, FULL, false);

  /**
   * What an instruction reads or writes in memory, hence what a displacement of one byte counts.
   *
   * <p>Source: Intel SDM volume 2, chapter 2.7.5, compressed displacement.
   */
  enum Memory {
    /** A vector, or one element of 32 bits that is broadcast. */
    FULL,
    /** A vector. */
    WHOLE,
    /** Half a vector. */
    HALF,
    /** A quarter of a vector. */
    QUARTER,
    /** One element of 32 bits. */
    ELEMENT
  }

  /** 0, 1, 2 and 3 stand for no prefix, 66, F3 and F2. */
  final int prefix;

  /** 1, 2 and 3 stand for the maps 0F, 0F38 and 0F3A. */
  final int map;

  final int opcode;

  /** Of EVEX; the VEX forms here ignore it or have 0. */
  final int w;

  final Memory memory;

  /** Whether there is a VEX form of 128 and 256 bits, too: AVX, AVX2, FMA or AVX-VNNI. */
  final boolean vex;

  VectorOpcode(int prefix, int map, int opcode, int w, Memory memory, boolean vex) {
    this.prefix = prefix;
    this.map = map;
    this.opcode = opcode;
    this.w = w;
    this.memory = memory;
    this.vex = vex;
  }

  /** The N of disp8*N. */
  int unit(int vectorBytes, boolean broadcast) {
    return switch (memory) {
      case FULL -> broadcast ? 4 : vectorBytes;
      case WHOLE -> vectorBytes;
      case HALF -> vectorBytes / 2;
      case QUARTER -> vectorBytes / 4;
      case ELEMENT -> 4;
    };
  }
}
