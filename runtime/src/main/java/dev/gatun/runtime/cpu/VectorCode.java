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

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;

/**
 * {@link BrainProduct} in machine code on vectors, with the same operands as on tiles: a block of
 * rows by two vectors of columns, whose sums stay in registers while a {@link Kernel} goes through
 * the inputs. While one part of a panel is multiplied, what comes after it is fetched into the
 * second-level cache, and so are the lines of the result.
 */
final class VectorCode {
  /** What is multiplied, and in which registers: those of sums are 0, 1, 2 … for each row two. */
  interface Kernel {
    /** Rows of a block, at most eight. */
    int rows();

    /** Bytes of a register. */
    int vector();

    /** Bytes of a row of A in a step. */
    int inputs();

    /** Steps of a block that take some 20 to 50 µs. */
    int stepsOfACall();

    /** Loads a register. */
    void load(Assembler a, int register, Address from);

    /** Stores a register. */
    void store(Assembler a, Address to, int register);

    /** Adds the products of some {@link #FACTORS} with a row of tiles of B, which R10 leads to. */
    void step(Assembler a, int rows);
  }

  /** Elements of 32 bits of a row of A in a step, each for a row of a tile of B. */
  static final int ELEMENTS = 16;

  static final int LINE = 64;

  /** A tile of B is 16 columns wide; two of them follow each other in each step. */
  static final int TILE_BYTES = ELEMENTS * LINE;

  /** Rows of A. */
  static final RowAddresses FACTORS = new RowAddresses(R9, RBX);

  private static final RowAddresses SUMS = new RowAddresses(RCX, RBP);

  /** Distance of the lines that are fetched in a step: all of a step in eight blocks of rows. */
  private static final int FETCHED = 8 * LINE;

  private final Kernel kernel;

  /** For each number of rows, from one on; the last one for any number of blocks. */
  private final Assembled[] code;

  /** Assembles the code. */
  VectorCode(Kernel kernel) {
    this.kernel = kernel;
    code = new Assembled[kernel.rows()];
    for (int i = 0; i < code.length; i++) {
      code[i] = Assembled.of(multiplication(kernel, i + 1));
    }
  }

  /**
   * Takes rows by some panels, in as few calls as are short enough, see {@link
   * BrainProduct#multiply}.
   *
   * @param steps of a row, those of all taps
   */
  void multiply(Arguments arguments, int rows, int panels, int steps) {
    long a = arguments.get(BrainProduct.A);
    long b = arguments.get(BrainProduct.B);
    long start = arguments.get(BrainProduct.START);
    long c = arguments.get(BrainProduct.C);
    long out = arguments.get(BrainProduct.OUT);
    long panelBytes = arguments.get(BrainProduct.B_PANEL);
    int most = Math.max(1, kernel.stepsOfACall() / steps);
    int whole = rows / kernel.rows();
    int rest = rows % kernel.rows();
    int width = 2 * kernel.vector();
    int parts = 2 * LINE / width;
    for (int i = 0; i < parts * panels; i++) {
      int panel = i / parts;
      int part = i % parts;
      long column = (long) part * width;
      long tile = (long) part * TILE_BYTES;
      arguments
          .set(BrainProduct.A, a)
          .set(BrainProduct.B, b + panel * panelBytes + tile)
          .set(BrainProduct.START, start + panel * arguments.get(BrainProduct.START_PANEL) + column)
          .set(BrainProduct.C, c + panel * arguments.get(BrainProduct.C_PANEL) + column)
          .set(BrainProduct.OUT, out + panel * arguments.get(BrainProduct.OUT_PANEL) + column)
          .set(BrainProduct.FETCH, part < parts - 1 ? TILE_BYTES : panelBytes - tile);
      // Each call begins where the one before it has ended.
      for (int blocks = whole; blocks > 0; blocks -= most) {
        code[code.length - 1].call(arguments.set(BrainProduct.BLOCKS, Math.min(most, blocks)));
      }
      if (rest > 0) {
        code[rest - 1].call(arguments.set(BrainProduct.BLOCKS, 1));
      }
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  static byte[] multiplication(Kernel kernel, int rows) {
    var a = new Assembler();
    int width = 2 * kernel.vector();
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
      kernel.load(a, 2 * r, SUMS.row(r, 0));
      kernel.load(a, 2 * r + 1, SUMS.row(r, kernel.vector()));
    }
    advance(a, R14, RCX, kernel);
    // Rows of the result: without that, the stores at the end would wait for their lines.
    a.mov(RCX, argument(BrainProduct.OUT_STRIDE));
    a.mov(R15, argument(BrainProduct.OUT));
    SUMS.begin(a);
    SUMS.at(a, R15);
    for (int r = 0; r < rows; r++) {
      for (int line = 0; line < width; line += LINE) {
        a.prefetchw(SUMS.row(r, line));
      }
    }
    advance(a, R15, RCX, kernel);
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
    for (int place = 0; place < width * ELEMENTS; place += FETCHED) {
      a.prefetcht1(Address.at(R10, RBP, 1, place));
    }
    kernel.step(a, rows);
    a.add(RAX, kernel.inputs());
    a.add(RDX, kernel.inputs());
    a.add(R10, 2 * TILE_BYTES);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, steps);
    a.dec(R13);
    a.j(Condition.NOT_EQUAL, taps);
    a.add(RBP, LINE);
    a.mov(argument(BrainProduct.FETCH), RBP);
    SUMS.begin(a);
    SUMS.at(a, RSI);
    for (int r = 0; r < rows; r++) {
      kernel.store(a, SUMS.row(r, 0), 2 * r);
      kernel.store(a, SUMS.row(r, kernel.vector()), 2 * r + 1);
    }
    advance(a, RSI, RCX, kernel);
    advance(a, R8, R9, kernel);
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

  /** By the rows of a block; fewer rows are the last ones. */
  private static void advance(Assembler a, Gp place, Gp stride, Kernel kernel) {
    for (int left = kernel.rows(), by; left > 0; left -= by) {
      by = Integer.highestOneBit(left);
      a.lea(place, Address.at(place, stride, by));
    }
  }
}
