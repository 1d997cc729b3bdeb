package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R11;
import static dev.gatun.runtime.cpu.asm.Gp.R8;
import static dev.gatun.runtime.cpu.asm.Gp.R9;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;
import dev.gatun.runtime.cpu.asm.Label;
import dev.gatun.runtime.cpu.asm.Mask;
import dev.gatun.runtime.cpu.asm.Zmm;

/**
 * Machine code for the softmax between the two products of an attention: rows of scores in f32
 * become rows of weights in bf16, {@code P = 2^((S − max S)·c)}, in the same place. What divides
 * them, the sum of a row, is left for the end, when there are fewer numbers to divide.
 */
final class BrainSoftmax {
  private static final int LINE = 64;
  private static final int LANES = 16;

  /** Numbers of a call that takes some 20 µs. */
  private static final int OF_A_CALL = 1 << 16;

  private BrainSoftmax() {}

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled SOFTMAX = Assembled.of(softmax());
    private static final Assembled SCALE = Assembled.of(scaling(false));
    private static final Assembled ROUND = Assembled.of(scaling(true));
  }

  /**
   * Turns scores into weights; those of hidden keys, and what fills up the last block, are 0.
   *
   * @param scores rows of {@code 32·blocks} floats
   * @param stride bytes from a row to the next
   * @param count rows, at least 1
   * @param visible keys that the first row sees, at least 1
   * @param more keys that each further row sees, until it sees all
   * @param keys how many there are
   * @param factor c
   * @param inverses receives 1 / sum for each row
   */
  static void softmax(
      Arguments a,
      long scores,
      long stride,
      int count,
      int visible,
      int more,
      int keys,
      int blocks,
      float factor,
      long inverses) {
    int most = Math.max(1, OF_A_CALL / keys);
    a.set(1, stride).set(4, more).set(5, keys).set(6, blocks);
    a.set(7, Float.floatToRawIntBits(factor));
    for (int row = 0; row < count; row += most) {
      a.set(0, scores + row * stride).set(2, Math.min(most, count - row));
      a.set(3, Math.min(keys, visible + row * more)).set(8, inverses + row * (long) Float.BYTES);
      Code.SOFTMAX.call(a);
    }
  }

  /**
   * Stores rows times a factor each, in f32 or bf16.
   *
   * @param row of out for the first one
   * @param column of out
   * @param length numbers of a row, at least 1
   */
  static void scale(
      Arguments a,
      long from,
      long fromStride,
      Tensor out,
      long row,
      int column,
      int count,
      int length,
      long factors) {
    int bytes = out.dtype().bytes();
    long toStride = (long) out.rowStride() * bytes;
    long to = out.address() + row * toStride + (long) column * bytes;
    int whole = (length - 1) / BrainWeight.WIDTH;
    long mask = (1L << length - whole * BrainWeight.WIDTH) - 1;
    var code = out.dtype() == DType.BF16 ? Code.ROUND : Code.SCALE;
    int most = Math.max(1, OF_A_CALL / length);
    a.set(1, fromStride).set(3, toStride).set(5, whole).set(6, mask).set(7, mask >>> LANES);
    for (int r = 0; r < count; r += most) {
      a.set(0, from + r * fromStride).set(2, to + r * toStride);
      code.call(a.set(4, Math.min(most, count - r)).set(8, factors + r * (long) Float.BYTES));
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  // Registers that stay, besides those of LaneFold: -c, c, -infinity, 0, 1.
  private static final Zmm MINUS_FACTOR = zmm(27);
  private static final Zmm FACTOR = zmm(28);
  private static final Zmm LOWEST = zmm(29);
  private static final Zmm ZERO = zmm(30);
  private static final Zmm ONE = zmm(31);

  private static byte[] softmax() {
    var a = new Assembler();
    var constants = new ActivationCode(a);
    var lanes = new LaneFold(a);
    var rows = a.label();
    // R8 scores, R9 bytes of a row, R11 visible keys, RSI inverses
    a.mov(R8, argument(0));
    a.mov(R9, argument(1));
    a.mov(R11, argument(3));
    a.mov(RSI, argument(8));
    a.mov(RAX, argument(7));
    a.vpbroadcastd(FACTOR, RAX);
    a.vpxord(ZERO, ZERO, ZERO);
    a.vsubps(MINUS_FACTOR, ZERO, FACTOR);
    a.vbroadcastss(LOWEST, constants.one(Float.NEGATIVE_INFINITY));
    a.vbroadcastss(ONE, constants.one(1));
    lanes.load();
    a.mov(RAX, 1);
    a.kmovw(Mask.K3, RAX);
    a.bind(rows);
    // RDX whole pairs of vectors that are visible, K1 and K2 the numbers of the pair after them
    a.mov(RAX, -1);
    a.mov(RCX, R11);
    a.and(RCX, BrainWeight.DEPTH - 1);
    a.bzhi(RAX, RAX, RCX);
    a.kmovw(Mask.K1, RAX);
    a.shr(RAX, LANES);
    a.kmovw(Mask.K2, RAX);
    a.mov(RDX, R11);
    a.shr(RDX, 5);
    maximum(a, lanes);
    weights(a, constants, lanes);
    a.vdivps(zmm(0), ONE, zmm(5));
    a.vmovups(Address.of(RSI).merging(Mask.K3), zmm(0));
    a.add(RSI, Float.BYTES);
    a.add(R8, R9);
    a.add(R11, argument(4));
    a.mov(RAX, argument(5));
    a.cmp(R11, RAX);
    a.cmov(Condition.ABOVE, R11, RAX);
    countDown(a, argument(2), rows);
    a.vzeroupper();
    a.ret();
    constants.place();
    lanes.place();
    return a.code();
  }

  /** Of a row, times -c, into all of zmm 4. */
  private static void maximum(Assembler a, LaneFold lanes) {
    var pairs = a.label();
    var last = a.label();
    a.vmovaps(zmm(4), LOWEST);
    a.vmovaps(zmm(5), LOWEST);
    a.mov(RAX, R8);
    a.mov(RCX, RDX);
    a.test(RCX, RCX);
    a.j(Condition.EQUAL, last);
    a.bind(pairs);
    a.vmaxps(zmm(4), zmm(4), Address.of(RAX));
    a.vmaxps(zmm(5), zmm(5), Address.of(RAX, LINE));
    a.add(RAX, 2 * LINE);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, pairs);
    a.bind(last);
    a.vmaxps(zmm(4).merging(Mask.K1), zmm(4), Address.of(RAX));
    a.vmaxps(zmm(5).merging(Mask.K2), zmm(5), Address.of(RAX, LINE));
    a.vmaxps(zmm(4), zmm(4), zmm(5));
    lanes.fold(zmm(4), zmm(5), a::vmaxps);
    a.vmulps(zmm(4), zmm(4), MINUS_FACTOR);
  }

  /** The weights of a row, and their sum into all of zmm 5. */
  private static void weights(Assembler a, ActivationCode constants, LaneFold lanes) {
    var pairs = a.label();
    var last = a.label();
    var rest = a.label();
    var end = a.label();
    a.vmovaps(zmm(5), ZERO);
    a.vmovaps(zmm(6), ZERO);
    a.mov(RAX, R8); // reads
    a.mov(R10, R8); // writes, at half the pace
    a.mov(RCX, RDX);
    a.test(RCX, RCX);
    a.j(Condition.EQUAL, last);
    a.bind(pairs);
    pair(a, constants);
    a.vaddps(zmm(5), zmm(5), zmm(0));
    a.vaddps(zmm(6), zmm(6), zmm(1));
    store(a);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, pairs);
    a.bind(last);
    a.mov(RCX, argument(6));
    a.sub(RCX, RDX);
    a.j(Condition.EQUAL, end);
    pair(a, constants);
    a.vmovaps(zmm(0).zeroing(Mask.K1), zmm(0));
    a.vmovaps(zmm(1).zeroing(Mask.K2), zmm(1));
    a.vaddps(zmm(5), zmm(5), zmm(0));
    a.vaddps(zmm(6), zmm(6), zmm(1));
    store(a);
    a.bind(rest);
    a.dec(RCX);
    a.j(Condition.EQUAL, end);
    a.vmovups(Address.of(R10), ZERO);
    a.add(R10, LINE);
    a.jmp(rest);
    a.bind(end);
    a.vaddps(zmm(5), zmm(5), zmm(6));
    lanes.fold(zmm(5), zmm(6), a::vaddps);
  }

  /** Two vectors of weights. */
  private static void pair(Assembler a, ActivationCode constants) {
    a.vmovups(zmm(0), Address.of(RAX));
    a.vmovups(zmm(1), Address.of(RAX, LINE));
    a.vfmadd213ps(zmm(0), FACTOR, zmm(4));
    a.vfmadd213ps(zmm(1), FACTOR, zmm(4));
    constants.powerOfTwo(zmm(0), zmm(1));
  }

  private static void store(Assembler a) {
    a.vcvtne2ps2bf16(zmm(2), zmm(1), zmm(0));
    a.vmovups(Address.of(R10), zmm(2));
    a.add(RAX, 2 * LINE);
    a.add(R10, LINE);
  }

  private static void countDown(Assembler a, Address counter, Label again) {
    a.mov(RAX, counter);
    a.dec(RAX);
    a.mov(counter, RAX);
    a.j(Condition.NOT_EQUAL, again);
  }

  private static byte[] scaling(boolean rounded) {
    var a = new Assembler();
    var rows = a.label();
    var pairs = a.label();
    var last = a.label();
    a.mov(RAX, argument(6));
    a.kmovw(Mask.K1, RAX);
    a.kmovd(Mask.K3, RAX);
    a.mov(RAX, argument(7));
    a.kmovw(Mask.K2, RAX);
    var registers = new Gp[] {R8, R9, R10, R11};
    for (int i = 0; i < registers.length; i++) {
      a.mov(registers[i], argument(i));
    }
    a.mov(RSI, argument(8));
    a.bind(rows);
    a.vbroadcastss(zmm(2), Address.of(RSI));
    a.add(RSI, Float.BYTES);
    a.mov(RAX, R8);
    a.mov(RDX, R10);
    a.mov(RCX, argument(5));
    a.test(RCX, RCX);
    a.j(Condition.EQUAL, last);
    a.bind(pairs);
    a.vmulps(zmm(0), zmm(2), Address.of(RAX));
    a.vmulps(zmm(1), zmm(2), Address.of(RAX, LINE));
    if (rounded) {
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
      a.vmovups(Address.of(RDX), zmm(0));
    } else {
      a.vmovups(Address.of(RDX), zmm(0));
      a.vmovups(Address.of(RDX, LINE), zmm(1));
    }
    a.add(RAX, 2 * LINE);
    a.add(RDX, rounded ? LINE : 2 * LINE);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, pairs);
    a.bind(last);
    a.vmulps(zmm(0), zmm(2), Address.of(RAX));
    a.vmulps(zmm(1), zmm(2), Address.of(RAX, LINE));
    if (rounded) {
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
      a.vmovdqu16(Address.of(RDX).merging(Mask.K3), zmm(0));
    } else {
      a.vmovups(Address.of(RDX).merging(Mask.K1), zmm(0));
      a.vmovups(Address.of(RDX, LINE).merging(Mask.K2), zmm(1));
    }
    a.add(R8, R9);
    a.add(R10, R11);
    countDown(a, argument(4), rows);
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
