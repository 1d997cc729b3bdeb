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
import static dev.gatun.runtime.cpu.asm.Tile.tmm;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.CpuFeatures;
import dev.gatun.runtime.cpu.asm.Cpuid;
import dev.gatun.runtime.cpu.asm.Gp;
import dev.gatun.runtime.cpu.asm.Label;
import dev.gatun.runtime.cpu.asm.Tile;
import java.util.function.Predicate;

/**
 * The product on matrix tiles that everything in bf16 is made of, in machine code: {@code C = start
 * + Σ A·B} for a panel of 32 columns and some blocks of 32 rows.
 *
 * <p>A block's rows of A may be taken several times, each time from another place and with the next
 * part of B: the taps of a convolution. A matrix product has one tap.
 *
 * <p>Source: Intel, "64 and IA-32 Architectures Optimization Reference Manual", chapter 20, for the
 * use of tiles.
 */
final class BrainTiles {
  /** Rows of a block: those of two tiles. */
  static final int ROWS = 32;

  private static final int VECTOR_BITS = 512;
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
  static final int STEPS_OF_A_CALL = 1 << 10;

  // The arguments, in their order. Distances and strides are bytes.

  /** Rows of A in bf16. */
  static final int A = 0;

  static final int A_STRIDE = 1;

  /** Tiles of B, {@code [taps][steps][2]}; moves on from panel to panel. */
  static final int B = 2;

  /** From a panel of B to the next. */
  static final int B_PANEL = 3;

  /** What the sums begin with; moves on from panel to panel. */
  static final int START = 4;

  /** 0 for a bias. */
  static final int START_STRIDE = 5;

  static final int START_PANEL = 6;

  /** Moves on from panel to panel. */
  static final int C = 7;

  static final int C_STRIDE = 8;

  static final int C_PANEL = 9;

  /** Blocks of 32 inputs in a tap. */
  static final int STEPS = 10;

  /** Blocks of 32 rows. */
  static final int BLOCKS = 11;

  /** Counts down to 0. */
  static final int PANELS = 12;

  /** How far ahead B is fetched. */
  private static final int FETCH = 13;

  static final int TAPS = 14;

  /** Address of the distances of the taps from A, 64 bits each. */
  static final int OFFSETS = 15;

  private static final int NEXT_START = 16;
  private static final int BLOCKS_LEFT = 17;

  /** What is about to be written and is fetched meanwhile; moves on from panel to panel. */
  static final int OUT = 18;

  static final int OUT_STRIDE = 19;

  static final int OUT_PANEL = 20;

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
          Assembled.of(multiplication(product, FETCHED, rows)),
          Assembled.of(multiplication(product, STREAMED, rows)));
    }
  }

  /** Assembled when it is first needed. */
  private static final class Brain {
    private static final Code CODE = Code.of(Assembler::tdpbf16ps, 1);
  }

  /** Why tiles cannot be used here, with the cure; empty if they can. */
  static String unavailable() {
    return unavailable(
        features -> features.amxBf16() && features.avx512Bf16(),
        "this processor has no matrix tiles for bf16 (amx_bf16): compute in f32");
  }

  /** The same of tiles for some kind of numbers. */
  static String unavailable(Predicate<CpuFeatures> multiplies, String otherwise) {
    if (Integer.getInteger("gatun.cpu.vectorBits", VECTOR_BITS) != VECTOR_BITS) {
      return "it needs vectors of 512 bits: leave -Dgatun.cpu.vectorBits out";
    }
    try {
      var features = Cpuid.features();
      if (!features.amxTile() || !multiplies.test(features)) {
        return otherwise;
      }
    } catch (CodeRefusedException e) {
      return e.getMessage();
    }
    return SystemCalls.requestTiles()
        ? ""
        : "Linux does not let this process use matrix tiles: compute in f32";
  }

  /**
   * {@code C = start + Σ A·B} for some panels, in as few calls as are short enough.
   *
   * @param steps of a block of rows, those of all taps
   */
  static void multiply(Arguments arguments, int blocks, int panels, int steps) {
    arguments.set(OUT, arguments.get(C)).set(OUT_STRIDE, arguments.get(C_STRIDE));
    arguments.set(OUT_PANEL, arguments.get(C_PANEL));
    multiply(Brain.CODE, arguments, blocks, panels, steps);
  }

  /** The same of another kind of numbers. */
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

  private static byte[] multiplication(Product product, int fetched, int rows) {
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
    // The sums: a stride of zero repeats a bias in every row.
    a.mov(RAX, argument(NEXT_START));
    a.mov(RDX, argument(START_STRIDE));
    lower(a, R10, RAX, RDX);
    a.tileloadd(tmm(0), Address.at(RAX, RDX, 1));
    a.tileloadd(tmm(1), Address.at(RAX, RDX, 1, ROW_BYTES));
    a.tileloadd(tmm(2), Address.at(R10, RDX, 1));
    a.tileloadd(tmm(3), Address.at(R10, RDX, 1, ROW_BYTES));
    lower(a, RAX, R10, RDX);
    a.mov(argument(NEXT_START), RAX);
    a.mov(R10, argument(B));
    a.mov(R11, argument(OFFSETS));
    a.mov(R13, argument(TAPS));
    a.mov(RBP, argument(NEXT_OUT));
    a.bind(taps);
    a.mov(RAX, R8);
    a.add(RAX, Address.of(R11)); // the upper 16 rows
    lower(a, RDX, RAX, R9);
    a.add(R11, Long.BYTES);
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
    a.add(R14, fetched * ROW_BYTES);
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
