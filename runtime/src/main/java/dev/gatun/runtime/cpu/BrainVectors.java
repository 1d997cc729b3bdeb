package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.VectorCode.FACTORS;
import static dev.gatun.runtime.cpu.VectorCode.LINE;
import static dev.gatun.runtime.cpu.VectorCode.TILE_BYTES;
import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Zmm;
import dev.gatun.runtime.cpu.asm.ZmmOrMemory;

/**
 * The kernel of {@link VectorCode} on vectors of 512 bits: a row of a tile of B is a vector, and a
 * pair of inputs of A, or four bytes, is repeated in all lanes of another one.
 *
 * <p>Eight rows by a whole panel are 16 sums, enough to hide the latency of an instruction, and for
 * each 16 products ten vectors are loaded. A panel is read from the second-level cache for each
 * eight rows; two blocks of it are always on their way to the first. On AMD's Zen 4 that is as fast
 * as an instruction in each cycle on registers alone, and 97 of 100 of it with bytes. On Intel's
 * Emerald Rapids it is 97 of 100 products of bf16 that the processor can make, one in two cycles;
 * with fused multiply-adds in their place, of which it makes two in a cycle, as many as 90 of 100.
 *
 * <p>VDPBF16PS takes denormal numbers for zero and rounds to nearest even, as tiles do.
 *
 * <p>Source: Intel SDM volume 2, VDPBF16PS and VPDPBUSD.
 *
 * @param product the instruction that multiplies
 */
record BrainVectors(Product product) implements VectorCode.Kernel {
  /** How far ahead B is fetched, in bytes. */
  private static final int AHEAD = 4 * TILE_BYTES;

  /** The instruction that adds products of two vectors to a third one. */
  interface Product {
    void emit(Assembler a, Zmm sums, Zmm left, ZmmOrMemory right);
  }

  /** Assembled when it is first needed. */
  private static final class Brain {
    private static final VectorCode CODE = new VectorCode(new BrainVectors(Assembler::vdpbf16ps));
  }

  /** Takes rows of bf16 by some panels. */
  static void multiply(Arguments arguments, int rows, int panels, int steps) {
    arguments.set(BrainProduct.OUT, arguments.get(BrainProduct.C));
    arguments.set(BrainProduct.OUT_STRIDE, arguments.get(BrainProduct.C_STRIDE));
    arguments.set(BrainProduct.OUT_PANEL, arguments.get(BrainProduct.C_PANEL));
    Brain.CODE.multiply(arguments, rows, panels, steps);
  }

  @Override
  public int rows() {
    return 8;
  }

  @Override
  public int vector() {
    return LINE;
  }

  @Override
  public int inputs() {
    return LINE;
  }

  @Override
  public int stepsOfACall() {
    return 1 << 8;
  }

  @Override
  public void load(Assembler a, int register, Address from) {
    a.vmovups(zmm(register), from);
  }

  @Override
  public void store(Assembler a, Address to, int register) {
    a.vmovups(to, zmm(register));
  }

  /** 64 bytes of inputs: 16 elements, each of some rows by two vectors of B. */
  @Override
  public void step(Assembler a, int rows) {
    for (int element = 0; element < VectorCode.ELEMENTS; element++) {
      int place = element * LINE;
      a.vmovups(zmm(16), Address.of(R10, place));
      a.vmovups(zmm(17), Address.of(R10, TILE_BYTES + place));
      a.prefetcht0(Address.of(R10, AHEAD + place));
      a.prefetcht0(Address.of(R10, AHEAD + TILE_BYTES + place));
      for (int r = 0; r < rows; r++) {
        a.vbroadcastss(zmm(18 + r), FACTORS.row(r, element * Float.BYTES));
        product.emit(a, zmm(2 * r), zmm(18 + r), zmm(16));
        product.emit(a, zmm(2 * r + 1), zmm(18 + r), zmm(17));
      }
    }
  }
}
