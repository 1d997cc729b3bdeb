package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.VectorCode.FACTORS;
import static dev.gatun.runtime.cpu.VectorCode.LINE;
import static dev.gatun.runtime.cpu.VectorCode.TILE_BYTES;
import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;

import dev.gatun.runtime.cpu.ByteProduct.Unit;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;

/**
 * The kernel of {@link VectorCode} for bytes on vectors of 256 bits: six rows by the 16 columns of
 * a tile of B are twelve sums, which leaves four of the 16 registers.
 *
 * <p>With AVX-VNNI an instruction adds the products of four bytes to a sum. AVX2 alone has one for
 * pairs of shorts, and another adds them: so rows of A are shorts there, four inputs in the order
 * 0, 2, 1, 3, and the bytes of B become shorts in registers, first those of even inputs, then the
 * odd ones. Products of unsigned with signed bytes would be as many, but their sums are cut off at
 * 15 bits. On AMD's Zen 3 it makes 23 products in a cycle, where f32 makes at most 16; with the
 * additions left out it would make 31, with the shorts of B in memory 25.
 *
 * <p>Source: Intel SDM volume 2, VPDPBUSD and VPMADDWD.
 *
 * @param unit FOURS or PAIRS
 */
record ByteVectors(Unit unit) implements VectorCode.Kernel {
  private static final int VECTOR = 32;

  /** How far ahead B is fetched, in bytes: the same tile of the next block. */
  private static final int AHEAD = 2 * TILE_BYTES;

  @Override
  public int rows() {
    return 6;
  }

  @Override
  public int vector() {
    return VECTOR;
  }

  @Override
  public int inputs() {
    return ByteWeight.DEPTH * unit.factorBytes();
  }

  @Override
  public int stepsOfACall() {
    return 1 << 9;
  }

  @Override
  public void load(Assembler a, int register, Address from) {
    a.vmovups(ymm(register), from);
  }

  @Override
  public void store(Assembler a, Address to, int register) {
    a.vmovups(to, ymm(register));
  }

  @Override
  public void step(Assembler a, int rows) {
    for (int four = 0; four < VectorCode.ELEMENTS; four++) {
      a.prefetcht0(Address.of(R10, AHEAD + four * LINE));
      if (unit == Unit.PAIRS) {
        pairs(a, rows, four);
      } else {
        fours(a, rows, four);
      }
    }
  }

  /** Four inputs of each column by four bytes of each row. */
  private static void fours(Assembler a, int rows, int four) {
    a.vmovups(ymm(12), Address.of(R10, four * LINE));
    a.vmovups(ymm(13), Address.of(R10, four * LINE + VECTOR));
    for (int r = 0; r < rows; r++) {
      a.vbroadcastss(ymm(14), FACTORS.row(r, four * Integer.BYTES));
      a.vpdpbusd(ymm(2 * r), ymm(14), ymm(12));
      a.vpdpbusd(ymm(2 * r + 1), ymm(14), ymm(13));
    }
  }

  /** The same with two shorts of each row at a time. */
  private static void pairs(Assembler a, int rows, int four) {
    for (int odd = 0; odd < 2; odd++) {
      for (int i = 0; i < 2; i++) {
        var bytes = ymm(12 + i);
        a.vmovups(bytes, Address.of(R10, four * LINE + i * VECTOR));
        if (odd == 0) {
          a.vpsllw(bytes, bytes, Byte.SIZE);
        }
        a.vpsraw(bytes, bytes, Byte.SIZE);
      }
      for (int r = 0; r < rows; r++) {
        a.vbroadcastss(ymm(14), FACTORS.row(r, four * Long.BYTES + odd * Integer.BYTES));
        a.vpmaddwd(ymm(15), ymm(14), ymm(12));
        a.vpmaddwd(ymm(14), ymm(14), ymm(13));
        a.vpaddd(ymm(2 * r), ymm(2 * r), ymm(15));
        a.vpaddd(ymm(2 * r + 1), ymm(2 * r + 1), ymm(14));
      }
    }
  }
}
