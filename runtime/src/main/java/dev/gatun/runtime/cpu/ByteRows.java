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
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;
import dev.gatun.runtime.cpu.asm.Mask;
import dev.gatun.runtime.cpu.asm.Zmm;

/**
 * Machine code that makes bytes of rows of f32 or bf16: {@code q = round(x·(127/m))} to nearest
 * even, m being the largest magnitude of the row, and {@code m/127}, the scale by which q stands
 * for x. An offset is added to each q.
 *
 * <p>An m below {@link #LEAST} counts as that, so that nothing divides by zero. A row that is not
 * finite has the scale NaN, which makes all that comes of it NaN.
 */
final class ByteRows {
  /** The largest magnitude of a byte here; -128 has no opposite. */
  static final int MOST = 127;

  /** The least m: neither its scale is subnormal nor the inverse of that infinite. */
  static final float LEAST = 0x1p-100f;

  private static final int LANES = 16;
  private static final int LINE = 64;

  /** Vectors of floats whose bytes are a block. */
  private static final int VECTORS = 4;

  // Registers that stay, besides those of LaneFold.
  private static final Zmm OFFSET = zmm(24);
  private static final Zmm MAGNITUDE = zmm(27);
  private static final Zmm LIMIT = zmm(28);
  private static final Zmm FLOOR = zmm(29);

  private static final Mask[] REST = {Mask.K1, Mask.K2, Mask.K3, Mask.K4};
  private static final Mask FIRST = Mask.K5;

  /** Numbers that are quantised in some 20 µs. */
  private static final int OF_A_CALL = 1 << 15;

  private ByteRows() {}

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled F32 = Assembled.of(quantisation(DType.F32));
    private static final Assembled BF16 = Assembled.of(quantisation(DType.BF16));
  }

  /**
   * Quantises rows; the last block of a row is filled up as if with zeros.
   *
   * @param type of the rows, F32 or BF16
   * @param scales where the scale of each row goes
   * @param count how many rows, at least 1
   * @param length numbers of a row
   * @param offset what is added to each byte, wrapping around
   */
  static void quantise(
      DType type,
      Arguments a,
      long from,
      long fromStride,
      long to,
      long toStride,
      long scales,
      int count,
      int length,
      int offset) {
    var code = type == DType.BF16 ? Code.BF16 : Code.F32;
    int whole = Math.max(0, length - 1) / ByteWeight.DEPTH;
    int rest = length - whole * ByteWeight.DEPTH;
    long mask = rest == ByteWeight.DEPTH ? -1 : (1L << rest) - 1;
    int most = Math.max(1, OF_A_CALL / Math.max(1, length));
    a.set(1, fromStride).set(3, toStride).set(5, whole).set(7, mask).set(8, offset);
    for (int row = 0; row < count; row += most) {
      a.set(0, from + row * fromStride).set(2, to + row * toStride);
      a.set(4, Math.min(most, count - row)).set(6, scales + row * (long) Float.BYTES);
      code.call(a);
    }
  }

  private static byte[] quantisation(DType type) {
    var a = new Assembler();
    var lanes = new LaneFold(a);
    var rows = a.label();
    // RAX numbers before those of a block, RDI counts blocks
    var registers = new Gp[] {R8, R9, R10, R11, RSI, RCX, RDX, RAX};
    for (int i = 0; i < registers.length; i++) {
      a.mov(registers[i], Address.of(RDI, i * Long.BYTES));
    }
    a.vbroadcastss(OFFSET, Address.of(RDI, registers.length * Long.BYTES));
    for (var k : REST) {
      a.kmovw(k, RAX);
      a.shr(RAX, LANES);
    }
    a.mov(RAX, 1);
    a.kmovw(FIRST, RAX);
    broadcast(a, MAGNITUDE, 0x7FFFFFFF);
    broadcast(a, LIMIT, Float.floatToRawIntBits(MOST));
    broadcast(a, FLOOR, Float.floatToRawIntBits(LEAST));
    lanes.load();
    a.bind(rows);
    maximum(a, type, lanes);
    a.vdivps(zmm(5), zmm(4), LIMIT);
    a.vsubps(zmm(6), zmm(4), zmm(4)); // NaN of what is not finite, else zero
    a.vaddps(zmm(5), zmm(5), zmm(6));
    a.vmovups(Address.of(RDX).merging(FIRST), zmm(5));
    a.add(RDX, Float.BYTES);
    a.vdivps(zmm(4), LIMIT, zmm(4));
    blocks(a, type, i -> bytes(a, i));
    a.add(R8, R9);
    a.add(R10, R11);
    a.dec(RSI);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
    lanes.place();
    return a.code();
  }

  private static void broadcast(Assembler a, Zmm register, int bits) {
    a.mov(RAX, bits);
    a.vpbroadcastd(register, RAX);
  }

  private interface Block {
    /** What is done with the numbers in a register, some of four. */
    void emit(int vector);
  }

  /** Goes through the blocks of a row; what is beyond the last number is 0. */
  private static void blocks(Assembler a, DType type, Block block) {
    var again = a.label();
    var last = a.label();
    a.mov(RAX, 0);
    a.mov(RDI, RCX);
    a.test(RDI, RDI);
    a.j(Condition.EQUAL, last);
    a.bind(again);
    for (int i = 0; i < VECTORS; i++) {
      load(a, type, zmm(i), i);
      block.emit(i);
    }
    a.add(RAX, ByteWeight.DEPTH);
    a.dec(RDI);
    a.j(Condition.NOT_EQUAL, again);
    a.bind(last);
    for (int i = 0; i < VECTORS; i++) {
      load(a, type, zmm(i).zeroing(REST[i]), i);
      block.emit(i);
    }
  }

  private static void load(Assembler a, DType type, Zmm to, int vector) {
    if (type == DType.BF16) {
      a.vpmovzxwd(to, Address.at(R8, RAX, Short.BYTES, vector * LINE / 2));
      a.vpslld(zmm(vector), zmm(vector), Short.SIZE); // bf16 is the upper half of a float
    } else {
      a.vmovups(to, Address.at(R8, RAX, Float.BYTES, vector * LINE));
    }
  }

  /**
   * Of the magnitudes of a row, at least {@link #LEAST}, into all of zmm 4. They are compared as
   * ints, of which NaN is the greatest.
   */
  private static void maximum(Assembler a, DType type, LaneFold lanes) {
    for (int i = 0; i < VECTORS; i++) {
      a.vmovaps(zmm(4 + i), FLOOR);
    }
    blocks(
        a,
        type,
        i -> {
          a.vpandd(zmm(i), MAGNITUDE, zmm(i));
          a.vpmaxud(zmm(4 + i), zmm(4 + i), zmm(i));
        });
    a.vpmaxud(zmm(4), zmm(4), zmm(5));
    a.vpmaxud(zmm(6), zmm(6), zmm(7));
    a.vpmaxud(zmm(4), zmm(4), zmm(6));
    lanes.fold(zmm(4), zmm(5), a::vpmaxud);
  }

  private static void bytes(Assembler a, int i) {
    a.vmulps(zmm(i), zmm(4), zmm(i));
    a.vcvtps2dq(zmm(i), zmm(i));
    a.vpaddd(zmm(i), zmm(i), OFFSET);
    a.vpmovdb(Address.at(R10, RAX, 1, i * LANES), zmm(i));
  }
}
