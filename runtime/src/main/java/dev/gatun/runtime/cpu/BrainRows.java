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

/**
 * Machine code that brings rows of numbers into the shapes that {@link BrainProduct} multiplies. A
 * block is 32 bf16 numbers of a row, 64 bytes; a tile of B holds a pair of inputs in each of its
 * elements of 32 bits, {@code [16 pairs][16 outputs]}.
 */
final class BrainRows {
  private static final int LINE = 64;
  private static final int TILE = 16;
  private static final int TILE_BYTES = TILE * LINE;

  /** Numbers that are rounded in some 20 µs. */
  private static final int OF_A_CALL = 1 << 15;

  private BrainRows() {}

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled ROUND = Assembled.of(rounding(true));
    private static final Assembled COPY = Assembled.of(rounding(false));
    private static final Assembled TRANSPOSE = Assembled.of(transposition());
    private static final Assembled PAIR = Assembled.of(pairing());
  }

  /**
   * Rounds rows of f32 to bf16, to nearest even, or copies rows of bf16; the last block of a row is
   * filled up with zeros.
   *
   * @param type of the rows, F32 or BF16
   * @param count how many rows
   * @param length numbers of a row
   */
  static void toBlocks(
      DType type,
      Arguments a,
      long from,
      long fromStride,
      long to,
      long toStride,
      int count,
      int length) {
    var code = type == DType.BF16 ? Code.COPY : Code.ROUND;
    int whole = Math.max(0, length - 1) / BrainWeight.DEPTH;
    long mask = (1L << length - whole * BrainWeight.DEPTH) - 1;
    int most = Math.max(1, OF_A_CALL / Math.max(1, length));
    a.set(1, fromStride).set(3, toStride);
    a.set(5, whole).set(6, mask).set(7, mask >>> TILE);
    for (int row = 0; row < count; row += most) {
      a.set(0, from + row * fromStride).set(2, to + row * toStride);
      code.call(a.set(4, Math.min(most, count - row)));
    }
  }

  /**
   * The same of some columns of rows of a tensor.
   *
   * @param column the first one
   */
  static void toBlocks(
      Arguments a, Tensor of, long row, int column, long to, long toStride, int count, int length) {
    int bytes = of.dtype().bytes();
    long stride = (long) of.rowStride() * bytes;
    long from = of.address() + row * stride + (long) column * bytes;
    toBlocks(of.dtype(), a, from, stride, to, toStride, count, length);
  }

  /**
   * Makes the tiles of a panel from 32 rows of bf16, which are its outputs: {@code [blocks][2][16
   * pairs][16 rows]}.
   */
  static void transpose(Arguments a, long rows, long stride, long to, int blocks) {
    for (int half = 0; half < 2; half++) {
      a.set(0, rows + half * TILE * stride).set(1, stride);
      a.set(2, to + half * TILE_BYTES).set(3, blocks);
      Code.TRANSPOSE.call(a);
    }
  }

  /**
   * Makes the tiles of a panel from rows of bf16 that are its inputs: {@code [blocks][2][16
   * pairs][16]} of 32 numbers of each row.
   *
   * @param blocks of 32 rows
   */
  static void pair(Arguments a, long rows, long stride, long to, int blocks) {
    Code.PAIR.call(a.set(0, rows).set(1, stride).set(2, to).set(3, blocks));
  }

  private static void load(Assembler a, Gp... registers) {
    for (int i = 0; i < registers.length; i++) {
      a.mov(registers[i], Address.of(RDI, i * Long.BYTES));
    }
  }

  /** Of floats, or of bf16 that is only copied. */
  private static byte[] rounding(boolean floats) {
    var a = new Assembler();
    var rows = a.label();
    var blocks = a.label();
    var last = a.label();
    load(a, R8, R9, R10, R11, RSI, RCX, RAX, RDX);
    a.kmovw(Mask.K1, RAX);
    a.kmovw(Mask.K2, RDX);
    a.kmovd(Mask.K3, RAX);
    a.bind(rows);
    a.mov(RAX, R8);
    a.mov(RDX, R10);
    a.mov(RDI, RCX);
    a.test(RDI, RDI);
    a.j(Condition.EQUAL, last);
    a.bind(blocks);
    if (floats) {
      a.vmovups(zmm(0), Address.of(RAX));
      a.vmovups(zmm(1), Address.of(RAX, LINE));
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0)); // the second operand becomes the upper half
    } else {
      a.vmovups(zmm(0), Address.of(RAX));
    }
    a.vmovups(Address.of(RDX), zmm(0));
    a.add(RAX, floats ? 2 * LINE : LINE);
    a.add(RDX, LINE);
    a.dec(RDI);
    a.j(Condition.NOT_EQUAL, blocks);
    a.bind(last);
    if (floats) {
      a.vmovups(zmm(0).zeroing(Mask.K1), Address.of(RAX));
      a.vmovups(zmm(1).zeroing(Mask.K2), Address.of(RAX, LINE));
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
    } else {
      a.vmovdqu16(zmm(0).zeroing(Mask.K3), Address.of(RAX));
    }
    a.vmovups(Address.of(RDX), zmm(0));
    a.add(R8, R9);
    a.add(R10, R11);
    a.dec(RSI);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /**
   * 16 rows of 16 pairs become 16 pairs of 16 rows: in four stages, of which each exchanges a bit
   * of the row's number with the same bit of the column's.
   */
  private static byte[] transposition() {
    var a = new Assembler();
    var blocks = a.label();
    var indices = new Label[2 * 4];
    load(a, R8, R9, R10, RCX);
    for (int i = 0; i < indices.length; i++) {
      indices[i] = a.label();
      a.vmovups(zmm(24 + i), Address.of(indices[i]));
    }
    a.bind(blocks);
    a.mov(RAX, R8);
    for (int i = 0; i < TILE; i++) {
      a.vmovups(zmm(i), Address.of(RAX));
      a.add(RAX, R9);
    }
    for (int stage = 0; stage < 4; stage++) {
      int distance = 1 << stage;
      for (int i = 0; i < TILE; i++) {
        if ((i & distance) == 0) {
          int j = i + distance;
          a.vmovaps(zmm(16), zmm(i));
          a.vpermt2d(zmm(i), zmm(24 + 2 * stage), zmm(j));
          a.vpermt2d(zmm(16), zmm(25 + 2 * stage), zmm(j));
          a.vmovaps(zmm(j), zmm(16));
        }
      }
    }
    for (int i = 0; i < TILE; i++) {
      a.vmovups(Address.of(R10, i * LINE), zmm(i));
    }
    a.add(R8, LINE);
    a.add(R10, 2 * TILE_BYTES);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, blocks);
    a.vzeroupper();
    a.ret();
    a.align(LINE);
    for (int stage = 0; stage < 4; stage++) {
      int d = 1 << stage;
      int[] first = new int[TILE];
      int[] second = new int[TILE];
      for (int i = 0; i < TILE; i++) {
        boolean upper = (i & d) != 0;
        first[i] = upper ? TILE + i - d : i;
        second[i] = upper ? TILE + i : i + d;
      }
      a.bind(indices[2 * stage]);
      a.data(first);
      a.bind(indices[2 * stage + 1]);
      a.data(second);
    }
    return a.code();
  }

  private static byte[] pairing() {
    var a = new Assembler();
    var blocks = a.label();
    var lower = a.label();
    var upper = a.label();
    load(a, R8, R9, R10, RCX);
    a.vmovups(zmm(4), Address.of(lower));
    a.vmovups(zmm(5), Address.of(upper));
    a.bind(blocks);
    for (int pair = 0; pair < TILE; pair++) {
      a.vmovups(zmm(0), Address.of(R8));
      a.vmovups(zmm(1), Address.at(R8, R9, 1));
      a.vmovaps(zmm(2), zmm(0));
      a.vpermt2w(zmm(0), zmm(4), zmm(1));
      a.vpermt2w(zmm(2), zmm(5), zmm(1));
      a.vmovups(Address.of(R10, pair * LINE), zmm(0));
      a.vmovups(Address.of(R10, TILE_BYTES + pair * LINE), zmm(2));
      a.lea(R8, Address.at(R8, R9, 2));
    }
    a.add(R10, 2 * TILE_BYTES);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, blocks);
    a.vzeroupper();
    a.ret();
    a.align(LINE);
    a.bind(lower);
    a.data(interleaved(0));
    a.bind(upper);
    a.data(interleaved(TILE));
    return a.code();
  }

  /** Indices, two in a word, that take numbers from two vectors of 32 in turns. */
  private static int[] interleaved(int first) {
    int[] words = new int[TILE];
    for (int i = 0; i < TILE; i++) {
      words[i] = first + i | BrainWeight.DEPTH + first + i << TILE;
    }
    return words;
  }
}
