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
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Cpuid;
import dev.gatun.runtime.cpu.asm.Gp;
import dev.gatun.runtime.cpu.asm.Mask;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/**
 * The machine code of {@link BrainGemm}, assembled once in a process. A function takes the address
 * of its arguments, numbers of 64 bits one after the other.
 *
 * <p>Source: Intel, "64 and IA-32 Architectures Optimization Reference Manual", chapter 20, for the
 * use of tiles.
 */
final class BrainTiles {
  private static final int VECTOR_BITS = 512;

  /** Most arguments of a function. */
  static final int SLOTS = 10;

  private static final int TILE_ROWS = 16;
  private static final int TILE_BYTES = 1024;
  private static final int ROW_BYTES = 64;

  /** Lines of the next panel that are fetched in a step of k: all of it in eight blocks of rows. */
  private static final int FETCHED = 4;

  private static final Gp[] KEPT = {RBX, RBP, R12, R13, R14, R15};

  /** Made when it is first needed, and kept: its handles are constants. */
  private static final class Code {
    private static final MethodHandle MULTIPLY = handle(multiplication());
    private static final MethodHandle ROUND = handle(rounding());

    private static MethodHandle handle(byte[] code) {
      // Never closed: a few hundred bytes for as long as the JVM runs.
      return ExecutableMemory.of(code).handle(0, FunctionDescriptor.ofVoid(JAVA_LONG), true);
    }
  }

  private BrainTiles() {}

  /** Why tiles cannot be used here, with the cure; empty if they can. */
  static String unavailable() {
    if (Integer.getInteger("gatun.cpu.vectorBits", VECTOR_BITS) != VECTOR_BITS) {
      return "it needs vectors of 512 bits: leave -Dgatun.cpu.vectorBits out";
    }
    try {
      var features = Cpuid.features();
      if (!features.amxTile() || !features.amxBf16() || !features.avx512Bf16()) {
        return "this processor has no matrix tiles for bf16 (amx_bf16): compute in f32";
      }
    } catch (CodeRefusedException e) {
      return e.getMessage();
    }
    return SystemCalls.requestTiles()
        ? ""
        : "Linux does not let this process use matrix tiles: compute in f32";
  }

  /**
   * Assembles the code.
   *
   * @throws dev.gatun.bindings.code.CodeRefusedException if this system does not let it run
   */
  static BrainTiles open() {
    var tiles = new BrainTiles();
    Objects.requireNonNull(Code.MULTIPLY);
    return tiles;
  }

  /**
   * {@code C = start + A·B} for a panel and some blocks of 32 rows.
   *
   * @param arguments A, bytes from a row of it to the next; B; start, bytes from a row of it to the
   *     next, 0 for a bias; C, bytes from a row of it to the next; blocks of k; blocks of rows;
   *     what will be wanted next
   */
  void multiply(long arguments) {
    try {
      Code.MULTIPLY.invokeExact(arguments);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Rounds rows of f32 to bf16, the last block of a row filled up with zeros.
   *
   * @param arguments rows of f32, bytes from one to the next; rows of bf16, bytes from one to the
   *     next; how many; whole blocks of 32 numbers before the last; masks of the first and the
   *     second 16 numbers of the last
   */
  void round(long arguments) {
    try {
      Code.ROUND.invokeExact(arguments);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] multiplication() {
    var a = new Assembler();
    var configuration = a.label();
    var rows = a.label();
    var steps = a.label();
    for (var register : KEPT) {
      a.push(register);
    }
    a.ldtilecfg(Address.of(configuration));
    // R8 A, R9 its stride, R10 B, R11 start, RBP its stride, RSI C, RCX its stride, R12 steps,
    // R13 rows, R14 next
    var arguments = new Gp[] {R8, R9, R10, R11, RBP, RSI, RCX, R12, R13, R14};
    for (int i = 0; i < arguments.length; i++) {
      a.mov(arguments[i], Address.of(RDI, i * Long.BYTES));
    }
    a.mov(RBX, ROW_BYTES);
    a.bind(rows);
    // A stride of zero repeats a bias in every row.
    a.mov(RDX, RBP);
    a.shl(RDX, 4);
    a.add(RDX, R11);
    a.tileloadd(tmm(0), Address.at(R11, RBP, 1));
    a.tileloadd(tmm(1), Address.at(R11, RBP, 1, ROW_BYTES));
    a.tileloadd(tmm(2), Address.at(RDX, RBP, 1));
    a.tileloadd(tmm(3), Address.at(RDX, RBP, 1, ROW_BYTES));
    a.mov(RAX, R8); // the upper 16 rows of A
    a.mov(RDX, R9);
    a.shl(RDX, 4);
    a.add(RDX, R8); // the lower ones
    a.mov(RDI, R10);
    a.mov(R15, R12);
    a.bind(steps);
    a.tileloadd(tmm(4), Address.at(RAX, R9, 1));
    a.tileloadd(tmm(6), Address.at(RDI, RBX, 1));
    a.tileloadd(tmm(7), Address.at(RDI, RBX, 1, TILE_BYTES));
    a.tdpbf16ps(tmm(0), tmm(4), tmm(6));
    a.tileloadd(tmm(5), Address.at(RDX, R9, 1));
    a.tdpbf16ps(tmm(1), tmm(4), tmm(7));
    a.tdpbf16ps(tmm(2), tmm(5), tmm(6));
    a.tdpbf16ps(tmm(3), tmm(5), tmm(7));
    for (int i = 0; i < FETCHED; i++) {
      a.prefetcht1(Address.of(R14, i * ROW_BYTES));
    }
    a.add(R14, FETCHED * ROW_BYTES);
    a.add(RAX, ROW_BYTES);
    a.add(RDX, ROW_BYTES);
    a.add(RDI, 2 * TILE_BYTES);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, steps);
    a.mov(RDX, RCX);
    a.shl(RDX, 4);
    a.add(RDX, RSI);
    a.tilestored(Address.at(RSI, RCX, 1), tmm(0));
    a.tilestored(Address.at(RSI, RCX, 1, ROW_BYTES), tmm(1));
    a.tilestored(Address.at(RDX, RCX, 1), tmm(2));
    a.tilestored(Address.at(RDX, RCX, 1, ROW_BYTES), tmm(3));
    advance(a, R8, R9);
    advance(a, R11, RBP);
    advance(a, RSI, RCX);
    a.dec(R13);
    a.j(Condition.NOT_EQUAL, rows);
    // Tiles in use would burden every switch to another thread.
    a.tilerelease();
    for (int i = KEPT.length - 1; i >= 0; i--) {
      a.pop(KEPT[i]);
    }
    a.ret();
    a.align(ROW_BYTES);
    a.bind(configuration);
    a.data(configuration());
    return a.code();
  }

  /** A pointer by two tiles of rows. */
  private static void advance(Assembler a, Gp pointer, Gp stride) {
    a.mov(RAX, stride);
    a.shl(RAX, 5);
    a.add(pointer, RAX);
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

  private static byte[] rounding() {
    var a = new Assembler();
    var rows = a.label();
    var blocks = a.label();
    var last = a.label();
    // R8 from, R9 its stride, R10 to, R11 its stride, RSI rows, RCX whole blocks, masks
    var arguments = new Gp[] {R8, R9, R10, R11, RSI, RCX, RAX, RDX};
    for (int i = 0; i < arguments.length; i++) {
      a.mov(arguments[i], Address.of(RDI, i * Long.BYTES));
    }
    a.kmovw(Mask.K1, RAX);
    a.kmovw(Mask.K2, RDX);
    a.bind(rows);
    a.mov(RAX, R8);
    a.mov(RDX, R10);
    a.mov(RDI, RCX);
    a.test(RDI, RDI);
    a.j(Condition.EQUAL, last);
    a.bind(blocks);
    a.vmovups(zmm(0), Address.of(RAX));
    a.vmovups(zmm(1), Address.of(RAX, ROW_BYTES));
    a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0)); // the second operand becomes the upper half
    a.vmovups(Address.of(RDX), zmm(0));
    a.add(RAX, 2 * ROW_BYTES);
    a.add(RDX, ROW_BYTES);
    a.dec(RDI);
    a.j(Condition.NOT_EQUAL, blocks);
    a.bind(last);
    a.vmovups(zmm(0).zeroing(Mask.K1), Address.of(RAX));
    a.vmovups(zmm(1).zeroing(Mask.K2), Address.of(RAX, ROW_BYTES));
    a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
    a.vmovups(Address.of(RDX), zmm(0));
    a.add(R8, R9);
    a.add(R10, R11);
    a.dec(RSI);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
