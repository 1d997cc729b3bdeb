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
import dev.gatun.runtime.cpu.asm.Gp;

/**
 * {@link BrainProduct} for one panel in machine code on vectors, with the same operands as on
 * tiles: a row of a tile of B is a vector, and a pair of inputs of A is repeated in all lanes of
 * another one.
 *
 * <p>Eight rows by a whole panel are 16 sums, enough to hide the latency of an instruction, and for
 * each 16 products ten vectors are loaded. A panel is read from the second-level cache for each
 * eight rows; two blocks of it are always on their way to the first, and the next panel is on its
 * way to the second. On AMD's Zen 4 that is as fast as an instruction in each cycle on registers
 * alone. On Intel's Emerald Rapids it is 97 of 100 products that the processor can make, one in two
 * cycles; with fused multiply-adds in their place, of which it makes two in a cycle, as many as 90
 * of 100.
 *
 * <p>VDPBF16PS takes denormal numbers for zero and rounds to nearest even, as tiles do.
 *
 * <p>Source: Intel SDM volume 2, VDPBF16PS.
 */
final class BrainVectors {
  /** Rows of a block. */
  private static final int ROWS = 8;

  private static final int LINE = 64;

  /** Pairs of inputs in a step. */
  private static final int PAIRS = 16;

  private static final int TILE_BYTES = PAIRS * LINE;

  /** How far ahead B is fetched, in bytes. */
  private static final int AHEAD = 4 * TILE_BYTES;

  /** Lines of the next panel that are fetched in a step: all of them in eight blocks of rows. */
  private static final int FETCHED = 4;

  /** Steps of a block that take some 20 to 50 µs. */
  private static final int STEPS_OF_A_CALL = 1 << 8;

  private BrainVectors() {}

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled MULTIPLY = Assembled.of(multiplication(ROWS));

    /** For fewer rows than a block's, from one on. */
    private static final Assembled[] REST = new Assembled[ROWS - 1];

    static {
      for (int i = 0; i < REST.length; i++) {
        REST[i] = Assembled.of(multiplication(i + 1));
      }
    }
  }

  /** Rows that a call may have. */
  static int rowsOfCall(int steps) {
    return Math.max(1, STEPS_OF_A_CALL / steps) * ROWS;
  }

  /** Takes so many rows by a panel. */
  static void multiply(Arguments arguments, int rows) {
    int blocks = rows / ROWS;
    int rest = rows % ROWS;
    if (blocks > 0) {
      Code.MULTIPLY.call(arguments.set(BrainProduct.BLOCKS, blocks));
    }
    if (rest > 0) {
      Code.REST[rest - 1].call(arguments.set(BrainProduct.BLOCKS, 1));
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  /** Rows of a matrix in memory: two registers lead to four of them each. */
  private record Rows(Gp stride, Gp triple) {
    /** To be called when the stride is there. */
    void begin(Assembler a) {
      a.lea(triple, Address.at(stride, stride, 2));
    }

    /** Moves on to a place. */
    void at(Assembler a, Gp first) {
      a.mov(RAX, first);
      a.lea(RDX, Address.at(RAX, stride, 4));
    }

    Address row(int row, int displacement) {
      var base = row < 4 ? RAX : RDX;
      return switch (row % 4) {
        case 0 -> Address.of(base, displacement);
        case 3 -> Address.at(base, triple, 1, displacement);
        default -> Address.at(base, stride, row % 4, displacement);
      };
    }
  }

  private static final Rows FACTORS = new Rows(R9, RBX);
  private static final Rows SUMS = new Rows(RCX, RBP);

  private static byte[] multiplication(int rows) {
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
    // Rows of C: without that, the stores at the end would wait for their lines.
    a.mov(RCX, argument(BrainProduct.C_STRIDE));
    SUMS.begin(a);
    SUMS.at(a, RSI);
    for (int r = 0; r < rows; r++) {
      a.prefetchw(SUMS.row(r, 0));
      a.prefetchw(SUMS.row(r, LINE));
    }
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
    step(a, rows);
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
    // What is left of the rows goes on from here.
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

  /** 32 inputs: 16 pairs, each of some rows by two vectors of B. */
  private static void step(Assembler a, int rows) {
    for (int i = 0; i < FETCHED; i++) {
      a.prefetcht1(Address.at(R10, RBP, 1, i * (2 * TILE_BYTES / FETCHED)));
    }
    for (int pair = 0; pair < PAIRS; pair++) {
      int place = pair * LINE;
      a.vmovups(zmm(16), Address.of(R10, place));
      a.vmovups(zmm(17), Address.of(R10, TILE_BYTES + place));
      a.prefetcht0(Address.of(R10, AHEAD + place));
      a.prefetcht0(Address.of(R10, AHEAD + TILE_BYTES + place));
      for (int r = 0; r < rows; r++) {
        a.vbroadcastss(zmm(18 + r), FACTORS.row(r, pair * Float.BYTES));
        a.vdpbf16ps(zmm(2 * r), zmm(18 + r), zmm(16));
        a.vdpbf16ps(zmm(2 * r + 1), zmm(18 + r), zmm(17));
      }
    }
    a.add(RAX, LINE);
    a.add(RDX, LINE);
    a.add(R10, 2 * TILE_BYTES);
  }
}
