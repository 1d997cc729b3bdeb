package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R11;
import static dev.gatun.runtime.cpu.asm.Gp.R12;
import static dev.gatun.runtime.cpu.asm.Gp.R13;
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
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Zmm;
import dev.gatun.runtime.cpu.asm.ZmmOrMemory;

/**
 * {@link BrainProduct} in machine code on vectors, with the same operands as on tiles: a row of a
 * tile of B is a vector, and a pair of inputs of A, or four bytes, is repeated in all lanes of
 * another one.
 *
 * <p>Eight rows by a whole panel are 16 sums, enough to hide the latency of an instruction, and for
 * each 16 products ten vectors are loaded. A panel is read from the second-level cache for each
 * eight rows; two blocks of it are always on their way to the first, and the next panel is on its
 * way to the second. On AMD's Zen 4 that is as fast as an instruction in each cycle on registers
 * alone, and 97 of 100 of it with bytes. On Intel's Emerald Rapids it is 97 of 100 products of bf16
 * that the processor can make, one in two cycles; with fused multiply-adds in their place, of which
 * it makes two in a cycle, as many as 90 of 100.
 *
 * <p>VDPBF16PS takes denormal numbers for zero and rounds to nearest even, as tiles do.
 *
 * <p>Source: Intel SDM volume 2, VDPBF16PS and VPDPBUSD.
 */
final class BrainVectors {
  /** Rows of a block. */
  private static final int ROWS = 8;

  private static final int LINE = 64;

  /** Elements of a row in a step: pairs of bf16 or fours of bytes. */
  private static final int ELEMENTS = 16;

  private static final int TILE_BYTES = ELEMENTS * LINE;

  /** How far ahead B is fetched, in bytes. */
  private static final int AHEAD = 4 * TILE_BYTES;

  /** Lines of the next panel that are fetched in a step: all of them in eight blocks of rows. */
  private static final int FETCHED = 4;

  /** Steps of a block that take some 20 to 50 µs. */
  private static final int STEPS_OF_A_CALL = 1 << 8;

  private BrainVectors() {}

  /** The instruction that adds products of two vectors to a third one. */
  interface Product {
    void emit(Assembler a, Zmm sums, Zmm left, ZmmOrMemory right);
  }

  /**
   * Assembled code for a kind of numbers, of which an element of 32 bits holds some inputs.
   *
   * @param blocks of rows
   * @param rest for fewer rows than a block's, from one on
   */
  record Code(Assembled blocks, Assembled[] rest) {
    static Code of(Product product) {
      var rest = new Assembled[ROWS - 1];
      for (int i = 0; i < rest.length; i++) {
        rest[i] = Assembled.of(multiplication(product, i + 1));
      }
      return new Code(Assembled.of(multiplication(product, ROWS)), rest);
    }
  }

  /** Assembled when it is first needed. */
  private static final class Brain {
    private static final Code CODE = Code.of(Assembler::vdpbf16ps);
  }

  /** Takes rows by some panels, in as few calls as are short enough. */
  static void multiply(Arguments arguments, int rows, int panels, int steps) {
    arguments.set(BrainProduct.OUT, arguments.get(BrainProduct.C));
    arguments.set(BrainProduct.OUT_STRIDE, arguments.get(BrainProduct.C_STRIDE));
    arguments.set(BrainProduct.OUT_PANEL, arguments.get(BrainProduct.C_PANEL));
    multiply(Brain.CODE, arguments, rows, panels, steps);
  }

  /**
   * The same of another kind of numbers.
   *
   * @param steps of a row, those of all taps
   */
  static void multiply(Code code, Arguments arguments, int rows, int panels, int steps) {
    long a = arguments.get(BrainProduct.A);
    long b = arguments.get(BrainProduct.B);
    long start = arguments.get(BrainProduct.START);
    long c = arguments.get(BrainProduct.C);
    long out = arguments.get(BrainProduct.OUT);
    int most = Math.max(1, STEPS_OF_A_CALL / steps);
    int rest = rows % ROWS;
    for (int panel = 0; panel < panels; panel++) {
      arguments
          .set(BrainProduct.A, a)
          .set(BrainProduct.B, b + panel * arguments.get(BrainProduct.B_PANEL))
          .set(BrainProduct.START, start + panel * arguments.get(BrainProduct.START_PANEL))
          .set(BrainProduct.C, c + panel * arguments.get(BrainProduct.C_PANEL))
          .set(BrainProduct.OUT, out + panel * arguments.get(BrainProduct.OUT_PANEL))
          .set(BrainProduct.FETCH, arguments.get(BrainProduct.B_PANEL));
      // Each call begins where the one before it has ended.
      for (int blocks = rows / ROWS; blocks > 0; blocks -= most) {
        code.blocks.call(arguments.set(BrainProduct.BLOCKS, Math.min(most, blocks)));
      }
      if (rest > 0) {
        code.rest[rest - 1].call(arguments.set(BrainProduct.BLOCKS, 1));
      }
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  private static final RowAddresses FACTORS = new RowAddresses(R9, RBX);
  private static final RowAddresses SUMS = new RowAddresses(RCX, RBP);

  private static byte[] multiplication(Product product, int rows) {
    var a = new Assembler();
    var blocks = a.label();
    var taps = a.label();
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
    // The sums: a stride of zero repeats a bias in every row.
    a.mov(RCX, argument(BrainProduct.START_STRIDE));
    SUMS.begin(a);
    SUMS.at(a, R14);
    for (int r = 0; r < rows; r++) {
      a.vmovups(zmm(2 * r), SUMS.row(r, 0));
      a.vmovups(zmm(2 * r + 1), SUMS.row(r, LINE));
    }
    a.lea(R14, Address.at(R14, RCX, ROWS));
    // Rows of the result: without that, the stores at the end would wait for their lines.
    a.mov(RCX, argument(BrainProduct.OUT_STRIDE));
    a.mov(R15, argument(BrainProduct.OUT));
    SUMS.begin(a);
    SUMS.at(a, R15);
    for (int r = 0; r < rows; r++) {
      a.prefetchw(SUMS.row(r, 0));
      a.prefetchw(SUMS.row(r, LINE));
    }
    a.lea(R15, Address.at(R15, RCX, ROWS));
    a.mov(argument(BrainProduct.OUT), R15);
    a.mov(RCX, argument(BrainProduct.C_STRIDE));
    a.mov(RBP, argument(BrainProduct.FETCH));
    a.mov(R11, argument(BrainProduct.OFFSETS));
    a.mov(R13, argument(BrainProduct.TAPS));
    a.bind(taps);
    a.mov(R15, R8);
    a.add(R15, Address.of(R11));
    FACTORS.at(a, R15);
    a.mov(R10, argument(BrainProduct.B));
    a.add(R10, Address.of(R11, Long.BYTES));
    a.add(R11, 2 * Long.BYTES);
    a.mov(R15, argument(BrainProduct.STEPS));
    a.bind(steps);
    step(a, product, rows);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, steps);
    a.dec(R13);
    a.j(Condition.NOT_EQUAL, taps);
    a.add(RBP, LINE);
    a.mov(argument(BrainProduct.FETCH), RBP);
    SUMS.begin(a);
    SUMS.at(a, RSI);
    for (int r = 0; r < rows; r++) {
      a.vmovups(SUMS.row(r, 0), zmm(2 * r));
      a.vmovups(SUMS.row(r, LINE), zmm(2 * r + 1));
    }
    a.lea(RSI, Address.at(RSI, RCX, ROWS));
    a.lea(R8, Address.at(R8, R9, ROWS));
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

  /** 64 bytes of inputs: 16 elements, each of some rows by two vectors of B. */
  private static void step(Assembler a, Product product, int rows) {
    for (int i = 0; i < FETCHED; i++) {
      a.prefetcht1(Address.at(R10, RBP, 1, i * (2 * TILE_BYTES / FETCHED)));
    }
    for (int element = 0; element < ELEMENTS; element++) {
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
    a.add(RAX, LINE);
    a.add(RDX, LINE);
    a.add(R10, 2 * TILE_BYTES);
  }
}
