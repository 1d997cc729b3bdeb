package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.BrainProduct.A;
import static dev.gatun.runtime.cpu.BrainProduct.A_STRIDE;
import static dev.gatun.runtime.cpu.BrainProduct.B;
import static dev.gatun.runtime.cpu.BrainProduct.BLOCKS;
import static dev.gatun.runtime.cpu.BrainProduct.B_PANEL;
import static dev.gatun.runtime.cpu.BrainProduct.C;
import static dev.gatun.runtime.cpu.BrainProduct.C_PANEL;
import static dev.gatun.runtime.cpu.BrainProduct.C_STRIDE;
import static dev.gatun.runtime.cpu.BrainProduct.FETCH;
import static dev.gatun.runtime.cpu.BrainProduct.OFFSETS;
import static dev.gatun.runtime.cpu.BrainProduct.OUT;
import static dev.gatun.runtime.cpu.BrainProduct.OUT_PANEL;
import static dev.gatun.runtime.cpu.BrainProduct.OUT_STRIDE;
import static dev.gatun.runtime.cpu.BrainProduct.PANELS;
import static dev.gatun.runtime.cpu.BrainProduct.START;
import static dev.gatun.runtime.cpu.BrainProduct.START_PANEL;
import static dev.gatun.runtime.cpu.BrainProduct.START_STRIDE;
import static dev.gatun.runtime.cpu.BrainProduct.STEPS;
import static dev.gatun.runtime.cpu.BrainProduct.TAPS;
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
import static dev.gatun.runtime.cpu.asm.Tile.tmm;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;
import dev.gatun.runtime.cpu.asm.Label;
import dev.gatun.runtime.cpu.asm.Tile;

/**
 * {@link BrainProduct} in machine code on matrix tiles: a panel of 32 columns and a block of 32
 * rows are four tiles of sums. B, START and C move on from panel to panel.
 *
 * <p>Source: Intel, "64 and IA-32 Architectures Optimization Reference Manual", chapter 20, for the
 * use of tiles.
 */
final class BrainTiles {
  private static final int TILE_ROWS = 16;
  private static final int TILE_BYTES = 1024;
  private static final int ROW_BYTES = 64;

  /** Lines of B that are fetched in a step of k: a whole panel in eight blocks of rows. */
  private static final int FETCHED = 4;

  /** The same for a single block of rows, which has a whole step of B to fetch in a step. */
  private static final int STREAMED = 2 * TILE_BYTES / ROW_BYTES;

  /** How far ahead a single block of rows fetches B, in bytes. */
  private static final int AHEAD = 16 << 10;

  /** Steps of a call that take some 30 µs, or 100 where the processor is busy with others. */
  private static final int STEPS_OF_A_CALL = 1 << 10;

  // Arguments of this code alone.
  private static final int NEXT_START = 19;
  private static final int BLOCKS_LEFT = 20;

  private static final int NEXT_OUT = 21;

  private BrainTiles() {}

  /** The instruction that adds a product of two tiles to a third one. */
  interface Product {
    void emit(Assembler a, Tile sums, Tile left, Tile right);
  }

  /**
   * Assembled code for a kind of numbers, of which rows of tiles hold 64 bytes.
   *
   * @param several blocks of rows
   * @param single block of rows
   */
  record Code(Assembled several, Assembled single) {
    /**
     * @param rows of the result that are fetched in a step of k: enough for a block in most
     *     products
     */
    static Code of(Product product, int rows) {
      return new Code(
          Assembled.of(multiplication(product, FETCHED, rows, false)),
          Assembled.of(multiplication(product, STREAMED, rows, false)));
    }
  }

  /** Assembled when it is first needed. */
  private static final class Brain {
    private static final Code CODE = Code.of(Assembler::tdpbf16ps, 1);

    /** Nothing is fetched, and sums begin with zeros. */
    private static final Code NEAR = near(multiplication(Assembler::tdpbf16ps, 0, 0, true));

    private static Code near(byte[] code) {
      var assembled = Assembled.of(code);
      return new Code(assembled, assembled);
    }
  }

  /** Rows that a call may have. */
  static int rowsOfCall(int steps) {
    return Math.max(1, STEPS_OF_A_CALL / steps) * BrainProduct.ROWS;
  }

  /**
   * Takes rows by some panels, in as few calls as are short enough.
   *
   * @param rows as many as a call may have at most
   * @param steps of a row, those of all taps
   */
  static void multiply(Arguments arguments, int rows, int panels, int steps) {
    arguments.set(OUT, arguments.get(C)).set(OUT_STRIDE, arguments.get(C_STRIDE));
    arguments.set(OUT_PANEL, arguments.get(C_PANEL));
    multiply(Brain.CODE, arguments, Math.ceilDiv(rows, BrainProduct.ROWS), panels, steps);
  }

  /** {@code C = Σ A·B} of operands that are all in the second-level cache. */
  static void multiplyNear(Arguments arguments, int rows, int panels, int steps) {
    multiply(Brain.NEAR, arguments, Math.ceilDiv(rows, BrainProduct.ROWS), panels, steps);
  }

  /**
   * The same of another kind of numbers.
   *
   * @param blocks of rows
   */
  static void multiply(Code code, Arguments arguments, int blocks, int panels, int steps) {
    int together = Math.max(1, STEPS_OF_A_CALL / (blocks * steps));
    arguments.set(BLOCKS, blocks);
    for (int panel = 0; panel < panels; panel += together) {
      arguments.set(PANELS, Math.min(together, panels - panel));
      if (blocks == 1) {
        code.single.call(arguments.set(FETCH, AHEAD));
      } else {
        code.several.call(arguments.set(FETCH, arguments.get(B_PANEL)));
      }
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  private static byte[] multiplication(Product product, int fetched, int rows, boolean zeros) {
    var a = new Assembler();
    var configuration = a.label();
    var panels = a.label();
    var blocks = a.label();
    var taps = a.label();
    var steps = a.label();
    for (var register : Assembled.KEPT) {
      a.push(register);
    }
    a.ldtilecfg(Address.of(configuration));
    a.mov(R9, argument(A_STRIDE));
    a.mov(RCX, argument(C_STRIDE));
    a.mov(R12, argument(STEPS));
    a.mov(RBX, ROW_BYTES);
    a.bind(panels);
    a.mov(R8, argument(A));
    a.mov(RSI, argument(C));
    a.mov(R14, argument(B));
    a.add(R14, argument(FETCH));
    copy(a, START, NEXT_START);
    copy(a, OUT, NEXT_OUT);
    copy(a, BLOCKS, BLOCKS_LEFT);
    a.bind(blocks);
    begin(a, zeros);
    a.mov(R11, argument(OFFSETS));
    a.mov(R13, argument(TAPS));
    a.mov(RBP, argument(NEXT_OUT));
    a.bind(taps);
    a.mov(RAX, R8);
    a.add(RAX, Address.of(R11)); // the upper 16 rows
    lower(a, RDX, RAX, R9);
    a.mov(R10, argument(B));
    a.add(R10, Address.of(R11, Long.BYTES));
    a.add(R11, 2 * Long.BYTES);
    a.mov(R15, R12);
    a.bind(steps);
    step(a, product, fetched, rows);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, steps);
    a.dec(R13);
    a.j(Condition.NOT_EQUAL, taps);
    lower(a, RDX, RSI, RCX);
    a.tilestored(Address.at(RSI, RCX, 1), tmm(0));
    a.tilestored(Address.at(RSI, RCX, 1, ROW_BYTES), tmm(1));
    a.tilestored(Address.at(RDX, RCX, 1), tmm(2));
    a.tilestored(Address.at(RDX, RCX, 1, ROW_BYTES), tmm(3));
    lower(a, RSI, RDX, RCX);
    lower(a, RAX, R8, R9);
    lower(a, R8, RAX, R9);
    a.mov(RAX, argument(OUT_STRIDE));
    a.shl(RAX, 5);
    a.add(RAX, argument(NEXT_OUT));
    a.mov(argument(NEXT_OUT), RAX);
    countDown(a, BLOCKS_LEFT, blocks);
    advance(a, START, START_PANEL);
    advance(a, C, C_PANEL);
    advance(a, OUT, OUT_PANEL);
    advance(a, B, B_PANEL);
    countDown(a, PANELS, panels);
    // Tiles in use would burden every switch to another thread.
    a.tilerelease();
    for (int i = Assembled.KEPT.length - 1; i >= 0; i--) {
      a.pop(Assembled.KEPT[i]);
    }
    a.ret();
    a.align(ROW_BYTES);
    a.bind(configuration);
    a.data(configuration());
    return a.code();
  }

  /** What the sums begin with: a stride of zero repeats a bias in every row. */
  private static void begin(Assembler a, boolean zeros) {
    if (zeros) {
      for (int t = 0; t < 4; t++) {
        a.tilezero(tmm(t));
      }
      return;
    }
    a.mov(RAX, argument(NEXT_START));
    a.mov(RDX, argument(START_STRIDE));
    lower(a, R10, RAX, RDX);
    a.tileloadd(tmm(0), Address.at(RAX, RDX, 1));
    a.tileloadd(tmm(1), Address.at(RAX, RDX, 1, ROW_BYTES));
    a.tileloadd(tmm(2), Address.at(R10, RDX, 1));
    a.tileloadd(tmm(3), Address.at(R10, RDX, 1, ROW_BYTES));
    lower(a, RAX, R10, RDX);
    a.mov(argument(NEXT_START), RAX);
  }

  private static void copy(Assembler a, int from, int to) {
    a.mov(RAX, argument(from));
    a.mov(argument(to), RAX);
  }

  private static void advance(Assembler a, int place, int distance) {
    a.mov(RAX, argument(place));
    a.add(RAX, argument(distance));
    a.mov(argument(place), RAX);
  }

  private static void countDown(Assembler a, int counter, Label again) {
    a.mov(RAX, argument(counter));
    a.dec(RAX);
    a.mov(argument(counter), RAX);
    a.j(Condition.NOT_EQUAL, again);
  }

  /** 64 bytes of inputs: two tiles of A by two of B. */
  private static void step(Assembler a, Product product, int fetched, int rows) {
    a.tileloadd(tmm(4), Address.at(RAX, R9, 1));
    a.tileloadd(tmm(6), Address.at(R10, RBX, 1));
    a.tileloadd(tmm(7), Address.at(R10, RBX, 1, TILE_BYTES));
    product.emit(a, tmm(0), tmm(4), tmm(6));
    a.tileloadd(tmm(5), Address.at(RDX, R9, 1));
    product.emit(a, tmm(1), tmm(4), tmm(7));
    product.emit(a, tmm(2), tmm(5), tmm(6));
    product.emit(a, tmm(3), tmm(5), tmm(7));
    for (int i = 0; i < fetched; i++) {
      a.prefetcht1(Address.of(R14, i * ROW_BYTES));
    }
    if (fetched > 0) {
      a.add(R14, fetched * ROW_BYTES);
    }
    // Rows of the result: without that, the stores at the end would wait for its lines.
    for (int i = 0; i < rows; i++) {
      a.prefetchw(Address.of(RBP));
      a.prefetchw(Address.of(RBP, ROW_BYTES));
      a.add(RBP, argument(OUT_STRIDE));
    }
    a.add(RAX, ROW_BYTES);
    a.add(RDX, ROW_BYTES);
    a.add(R10, 2 * TILE_BYTES);
  }

  /** {@code to = from + 16·stride}: the next tile of rows. */
  private static void lower(Assembler a, Gp to, Gp from, Gp stride) {
    a.mov(to, stride);
    a.shl(to, 4);
    a.add(to, from);
  }

  /** Eight tiles of 16 rows of 64 bytes: 64 bytes, as words. */
  private static int[] configuration() {
    int[] words = new int[16];
    words[0] = 1; // palette
    for (int t = 0; t < 8; t++) {
      words[4 + t / 2] |= ROW_BYTES << 16 * (t % 2);
      words[12 + t / 4] |= TILE_ROWS << 8 * (t % 4);
    }
    return words;
  }
}
