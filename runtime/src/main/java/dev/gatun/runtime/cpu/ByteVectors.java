package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R12;
import static dev.gatun.runtime.cpu.asm.Gp.R14;
import static dev.gatun.runtime.cpu.asm.Gp.R15;
import static dev.gatun.runtime.cpu.asm.Gp.R8;
import static dev.gatun.runtime.cpu.asm.Gp.R9;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RBP;
import static dev.gatun.runtime.cpu.asm.Gp.RBX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;

import dev.gatun.runtime.cpu.ByteProduct.Unit;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;

/**
 * {@link ByteProduct} in machine code on vectors of 256 bits, for processors without AVX-512: six
 * rows by the 16 columns of a tile of B are twelve sums, which leaves four of the 16 registers.
 *
 * <p>With AVX-VNNI an instruction adds the products of four bytes to a sum. AVX2 alone has one for
 * pairs of shorts, and another adds them: so rows of A are shorts there, four inputs in the order
 * 0, 2, 1, 3, and the bytes of B become shorts in registers, first those of even inputs, then the
 * odd ones. Products of unsigned with signed bytes would be as many, but their sums are cut off at
 * 15 bits.
 *
 * <p>Source: Intel SDM volume 2, VPDPBUSD and VPMADDWD.
 */
final class ByteVectors {
  private static final int ROWS = 6;
  private static final int LINE = 64;
  private static final int VECTOR = 32;

  /** Rows of a tile of B, each four inputs of 16 columns. */
  private static final int FOURS = 16;

  private static final int TILE_BYTES = FOURS * LINE;

  /** How far ahead B is fetched, in bytes: the same tile of the next block. */
  private static final int AHEAD = 2 * TILE_BYTES;

  /** Steps of a block that take some 20 to 50 µs. */
  private static final int STEPS_OF_A_CALL = 1 << 9;

  private ByteVectors() {}

  /** Assembled when it is first needed. */
  private static final class Pairs {
    private static final Assembled[] CODE = all(Unit.PAIRS);
  }

  /** The same. */
  private static final class Fours {
    private static final Assembled[] CODE = all(Unit.FOURS);
  }

  /** For each number of rows, from one on. */
  private static Assembled[] all(Unit unit) {
    var code = new Assembled[ROWS];
    for (int i = 0; i < code.length; i++) {
      code[i] = Assembled.of(multiplication(unit, i + 1));
    }
    return code;
  }

  /**
   * Takes rows by some panels, see {@link BrainProduct#multiply}.
   *
   * @param unit FOURS or PAIRS
   * @param steps blocks of 64 inputs
   */
  static void multiply(Unit unit, Arguments arguments, int rows, int panels, int steps) {
    var code = unit == Unit.PAIRS ? Pairs.CODE : Fours.CODE;
    long a = arguments.get(BrainProduct.A);
    long b = arguments.get(BrainProduct.B);
    long start = arguments.get(BrainProduct.START);
    long c = arguments.get(BrainProduct.C);
    int most = Math.max(1, STEPS_OF_A_CALL / steps);
    int rest = rows % ROWS;
    for (int tile = 0; tile < 2 * panels; tile++) {
      int panel = tile / 2;
      int side = tile % 2;
      arguments
          .set(BrainProduct.A, a)
          .set(BrainProduct.B, b + panel * arguments.get(BrainProduct.B_PANEL) + side * TILE_BYTES)
          .set(
              BrainProduct.START,
              start + panel * arguments.get(BrainProduct.START_PANEL) + side * LINE)
          .set(BrainProduct.C, c + panel * arguments.get(BrainProduct.C_PANEL) + side * LINE);
      // Each call begins where the one before it has ended.
      for (int blocks = rows / ROWS; blocks > 0; blocks -= most) {
        code[ROWS - 1].call(arguments.set(BrainProduct.BLOCKS, Math.min(most, blocks)));
      }
      if (rest > 0) {
        code[rest - 1].call(arguments.set(BrainProduct.BLOCKS, 1));
      }
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  private static final RowAddresses FACTORS = new RowAddresses(R9, RBX);
  private static final RowAddresses SUMS = new RowAddresses(RCX, RBP);

  private static byte[] multiplication(Unit unit, int rows) {
    var a = new Assembler();
    var blocks = a.label();
    var steps = a.label();
    for (var register : Assembled.KEPT) {
      a.push(register);
    }
    a.mov(R8, argument(BrainProduct.A));
    a.mov(R14, argument(BrainProduct.START));
    a.mov(RSI, argument(BrainProduct.C));
    a.mov(R12, argument(BrainProduct.BLOCKS));
    a.mov(R9, argument(BrainProduct.A_STRIDE));
    FACTORS.begin(a);
    a.bind(blocks);
    // The sums: a stride of zero repeats what they begin with in every row.
    a.mov(RCX, argument(BrainProduct.START_STRIDE));
    SUMS.begin(a);
    SUMS.at(a, R14);
    for (int r = 0; r < rows; r++) {
      a.vmovups(ymm(2 * r), SUMS.row(r, 0));
      a.vmovups(ymm(2 * r + 1), SUMS.row(r, VECTOR));
    }
    advance(a, R14, RCX);
    a.mov(RCX, argument(BrainProduct.C_STRIDE));
    FACTORS.at(a, R8);
    a.mov(R10, argument(BrainProduct.B));
    a.mov(R15, argument(BrainProduct.STEPS));
    a.bind(steps);
    for (int four = 0; four < FOURS; four++) {
      a.prefetcht0(Address.of(R10, AHEAD + four * LINE));
      if (unit == Unit.PAIRS) {
        pairs(a, rows, four);
      } else {
        fours(a, rows, four);
      }
    }
    int bytes = ByteWeight.DEPTH * unit.factorBytes();
    a.add(RAX, bytes);
    a.add(RDX, bytes);
    a.add(R10, 2 * TILE_BYTES);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, steps);
    SUMS.begin(a);
    SUMS.at(a, RSI);
    for (int r = 0; r < rows; r++) {
      a.vmovups(SUMS.row(r, 0), ymm(2 * r));
      a.vmovups(SUMS.row(r, VECTOR), ymm(2 * r + 1));
    }
    advance(a, RSI, RCX);
    advance(a, R8, R9);
    a.dec(R12);
    a.j(Condition.NOT_EQUAL, blocks);
    // The next call goes on from here.
    a.mov(argument(BrainProduct.A), R8);
    a.mov(argument(BrainProduct.START), R14);
    a.mov(argument(BrainProduct.C), RSI);
    a.vzeroupper();
    for (int i = Assembled.KEPT.length - 1; i >= 0; i--) {
      a.pop(Assembled.KEPT[i]);
    }
    a.ret();
    return a.code();
  }

  /** By six rows; fewer are the last ones. */
  private static void advance(Assembler a, Gp place, Gp stride) {
    a.lea(place, Address.at(place, stride, 4));
    a.lea(place, Address.at(place, stride, 2));
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
