package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.VectorOpcode.VBROADCASTSS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVAPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU16;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU16_STORE;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU32;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU32_STORE;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU64;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU64_STORE;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU8;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVDQU8_STORE;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVNTPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVUPS;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VMOVUPS_STORE;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPBROADCASTD_GP;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPERMD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPERMT2D;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPERMT2W;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPERMW;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPMOVDB;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPMOVZXWD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPUNPCKHWD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VPUNPCKLWD;
import static dev.gatun.runtime.cpu.asm.VectorOpcode.VSHUFF32X4;

/**
 * Instructions that move, spread and permute vectors, and those of mask registers.
 *
 * <p>Loads and stores may be masked: {@code vmovups(zmm(1).zeroing(K1), Address.of(RAX))} and
 * {@code vmovups(Address.of(RAX).merging(K1), zmm(1))}.
 *
 * <p>Source: Intel SDM volume 2, chapters 3 to 5, under the name of each.
 */
abstract sealed class MoveInstructions extends IntegerInstructions permits ArithmeticInstructions {
  private static final VexOpcode KMOVW = new VexOpcode(0, 0, 1, 0, 0x92);
  private static final VexOpcode KMOVD = new VexOpcode(0, 3, 1, 0, 0x92);
  private static final VexOpcode KMOVQ = new VexOpcode(0, 3, 1, 1, 0x92);
  private static final VexOpcode BZHI = new VexOpcode(0, 0, 2, 1, 0xF5);
  private static final VexOpcode KXNORW = new VexOpcode(1, 0, 1, 0, 0x46);

  final VectorEncoder vectors = new VectorEncoder(code);

  // loads and stores

  /** Loads 16 floats. */
  public void vmovups(Zmm destination, Address source) {
    vectors.emit(VMOVUPS, destination, null, source);
  }

  /** Stores 16 floats. */
  public void vmovups(Address destination, Zmm source) {
    vectors.store(VMOVUPS_STORE, destination, source);
  }

  /** Loads 8 floats. */
  public void vmovups(Ymm destination, Address source) {
    vectors.emit(VMOVUPS, destination, null, source);
  }

  /** Stores 8 floats. */
  public void vmovups(Address destination, Ymm source) {
    vectors.store(VMOVUPS_STORE, destination, source);
  }

  /** Stores 16 floats past the caches; the address is divisible by 64. */
  public void vmovntps(Address destination, Zmm source) {
    vectors.store(VMOVNTPS, destination, source);
  }

  /** Stores 8 floats past the caches; the address is divisible by 32. */
  public void vmovntps(Address destination, Ymm source) {
    vectors.store(VMOVNTPS, destination, source);
  }

  /** Copies 16 floats. */
  public void vmovaps(Zmm destination, Zmm source) {
    vectors.emit(VMOVAPS, destination, null, source);
  }

  /** Loads 64 bytes. */
  public void vmovdqu8(Zmm destination, Address source) {
    vectors.emit(VMOVDQU8, destination, null, source);
  }

  /** Stores 64 bytes. */
  public void vmovdqu8(Address destination, Zmm source) {
    vectors.store(VMOVDQU8_STORE, destination, source);
  }

  /** Loads 32 shorts. */
  public void vmovdqu16(Zmm destination, Address source) {
    vectors.emit(VMOVDQU16, destination, null, source);
  }

  /** Stores 32 shorts. */
  public void vmovdqu16(Address destination, Zmm source) {
    vectors.store(VMOVDQU16_STORE, destination, source);
  }

  /** Loads 16 ints. */
  public void vmovdqu32(Zmm destination, Address source) {
    vectors.emit(VMOVDQU32, destination, null, source);
  }

  /** Stores 16 ints. */
  public void vmovdqu32(Address destination, Zmm source) {
    vectors.store(VMOVDQU32_STORE, destination, source);
  }

  /** Loads 8 longs. */
  public void vmovdqu64(Zmm destination, Address source) {
    vectors.emit(VMOVDQU64, destination, null, source);
  }

  /** Stores 8 longs. */
  public void vmovdqu64(Address destination, Zmm source) {
    vectors.store(VMOVDQU64_STORE, destination, source);
  }

  /** Loads 32 bytes. */
  public void vmovdqu8(Ymm destination, Address source) {
    vectors.emit(VMOVDQU8, destination, null, source);
  }

  /** Stores 32 bytes. */
  public void vmovdqu8(Address destination, Ymm source) {
    vectors.store(VMOVDQU8_STORE, destination, source);
  }

  /** Loads 16 shorts. */
  public void vmovdqu16(Ymm destination, Address source) {
    vectors.emit(VMOVDQU16, destination, null, source);
  }

  /** Stores 16 shorts. */
  public void vmovdqu16(Address destination, Ymm source) {
    vectors.store(VMOVDQU16_STORE, destination, source);
  }

  /** Loads 8 ints. */
  public void vmovdqu32(Ymm destination, Address source) {
    vectors.emit(VMOVDQU32, destination, null, source);
  }

  /** Stores 8 ints. */
  public void vmovdqu32(Address destination, Ymm source) {
    vectors.store(VMOVDQU32_STORE, destination, source);
  }

  /** Loads 4 longs. */
  public void vmovdqu64(Ymm destination, Address source) {
    vectors.emit(VMOVDQU64, destination, null, source);
  }

  /** Stores 4 longs. */
  public void vmovdqu64(Address destination, Ymm source) {
    vectors.store(VMOVDQU64_STORE, destination, source);
  }

  // broadcasts, widening and narrowing

  /** One float of memory into every element. */
  public void vbroadcastss(Zmm destination, Address source) {
    vectors.emit(VBROADCASTSS, destination, null, source);
  }

  /** The lowest float into every element. */
  public void vbroadcastss(Zmm destination, Xmm source) {
    vectors.emit(VBROADCASTSS, destination, null, source);
  }

  /** One float of memory into every element. */
  public void vbroadcastss(Ymm destination, Address source) {
    vectors.emit(VBROADCASTSS, destination, null, source);
  }

  /** The lowest float into every element. */
  public void vbroadcastss(Ymm destination, Xmm source) {
    vectors.emit(VBROADCASTSS, destination, null, source);
  }

  /** The lower half of a general register into every element. */
  public void vpbroadcastd(Zmm destination, Gp source) {
    vectors.emit(VPBROADCASTD_GP, destination, source);
  }

  /** 16 shorts into ints, without sign. */
  public void vpmovzxwd(Zmm destination, YmmOrMemory source) {
    switch (source) {
      case Ymm register -> vectors.emit(VPMOVZXWD, destination, null, register);
      case Address memory -> vectors.emit(VPMOVZXWD, destination, null, memory);
    }
  }

  /** Stores the lowest byte of each of 16 ints. */
  public void vpmovdb(Address destination, Zmm source) {
    vectors.store(VPMOVDB, destination, source);
  }

  // permutations

  /** Each short of the source that its index says. */
  public void vpermw(Zmm destination, Zmm indices, ZmmOrMemory source) {
    three(VPERMW, destination, indices, source);
  }

  /** Each int of the source that its index says. */
  public void vpermd(Zmm destination, Zmm indices, ZmmOrMemory source) {
    three(VPERMD, destination, indices, source);
  }

  /** Each short of destination and second that its index says. */
  public void vpermt2w(Zmm destination, Zmm indices, ZmmOrMemory second) {
    three(VPERMT2W, destination, indices, second);
  }

  /** Each int of destination and second that its index says. */
  public void vpermt2d(Zmm destination, Zmm indices, ZmmOrMemory second) {
    three(VPERMT2D, destination, indices, second);
  }

  /** The lower shorts of each 128 bits, in turns. */
  public void vpunpcklwd(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPUNPCKLWD, destination, first, second);
  }

  /** The higher shorts of each 128 bits, in turns. */
  public void vpunpckhwd(Zmm destination, Zmm first, ZmmOrMemory second) {
    three(VPUNPCKHWD, destination, first, second);
  }

  /** Two of the four 128 bits of first, then two of second, two bits of choice each. */
  public void vshuff32x4(Zmm destination, Zmm first, ZmmOrMemory second, int choice) {
    three(VSHUFF32X4, destination, first, second, Operands.checkedByte(choice));
  }

  // masks

  /** The lower 16 bits of a general register. */
  public void kmovw(Mask destination, Gp source) {
    KMOVW.emit(code, destination.number(), 0, source.number());
  }

  /** The lower 32 bits of a general register. */
  public void kmovd(Mask destination, Gp source) {
    KMOVD.emit(code, destination.number(), 0, source.number());
  }

  /** All 64 bits of a general register. */
  public void kmovq(Mask destination, Gp source) {
    KMOVQ.emit(code, destination.number(), 0, source.number());
  }

  /** ~(first ^ second) of 16 bits: all ones if they are the same register. */
  public void kxnorw(Mask destination, Mask first, Mask second) {
    KXNORW.emit(code, destination.number(), first.number(), second.number());
  }

  /**
   * The lower bits of source, as many as the lowest byte of count says: masks for a rest (BMI2).
   */
  public void bzhi(Gp destination, Gp source, Gp count) {
    BZHI.emit(code, destination.number(), count.number(), source.number());
  }

  /** Clears the upper halves, so that code of the old kind runs at full speed after this. */
  public void vzeroupper() {
    code.put8(0xC5);
    code.put8(0xF8);
    code.put8(0x77);
  }

  final void three(VectorOpcode op, Zmm destination, Zmm first, ZmmOrMemory second) {
    switch (second) {
      case Zmm register -> vectors.emit(op, destination, first, register);
      case Address memory -> vectors.emit(op, destination, first, memory);
    }
  }

  final void three(VectorOpcode op, Ymm destination, Ymm first, YmmOrMemory second) {
    switch (second) {
      case Ymm register -> vectors.emit(op, destination, first, register);
      case Address memory -> vectors.emit(op, destination, first, memory);
    }
  }

  private void three(
      VectorOpcode op, Zmm destination, Zmm first, ZmmOrMemory second, int immediate) {
    switch (second) {
      case Zmm register -> vectors.emit(op, destination, first, register, immediate);
      case Address memory -> vectors.emit(op, destination, first, memory, immediate);
    }
  }
}
