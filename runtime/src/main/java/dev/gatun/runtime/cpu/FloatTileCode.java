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
import static dev.gatun.runtime.cpu.asm.Gp.RSP;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Gp;

/**
 * Writes the function of {@link FloatTiles} for a width of vectors: the loop of {@link MicroKernel}
 * for the largest tile, and once for each lesser height, because a block of rows ends with any of
 * them.
 *
 * <pre>
 *   a, b, start, c        where arrays or other memory begin, in rdi, rsi, rdx and rcx
 *   bytes from there      to the operand: of a and b in r8 and r9, the others on the stack
 *   k                     length of the products
 *   step                  bytes from a row of start to the next
 *   rows                  how many, at least one
 *   advance               bytes from a tile of A to the next
 *   next, end             memory that will be wanted soon, or zeros
 * </pre>
 *
 * <p>What Java cannot say is here: a panel comes into the first-level cache some steps before it is
 * multiplied, and what is wanted next comes into the second one meanwhile.
 */
final class FloatTileCode {
  private static final Gp[] KEPT = Assembled.KEPT;

  /** Arguments on the stack, behind the registers that are kept and the return address. */
  private static final int STACKED = (KEPT.length + 1) * Long.BYTES;

  private static final int LINE = 64;

  /** Steps of k in a turn of the loop. */
  private static final int STEPS = 4;

  /** Bytes between what is multiplied and what of the panel is fetched: a hundred cycles. */
  private static final int AHEAD = 1024;

  /** Up to so many rows wait for memory, not for products, and fetch from farther away. */
  private static final int FEW = 4;

  private static final int FAR_AHEAD = 4096;

  /** Lines of what is wanted next that are fetched in a turn: more of them get in the way. */
  private static final int FETCHED = 1;

  private final Assembler a = new Assembler();
  private final boolean wide;
  private final int rows;
  private final int stride;
  private final int vector; // bytes
  private final int width; // bytes of a row of B and C

  /**
   * @param wide vectors of 512 bits and AVX-512F, else of 256 and AVX2 with FMA
   * @param rows of the largest tile, whose sums take two registers each
   * @param stride bytes from a row of A to the next
   */
  FloatTileCode(boolean wide, int rows, int stride) {
    this.wide = wide;
    this.rows = rows;
    this.stride = stride;
    vector = wide ? 64 : 32;
    width = 2 * vector;
  }

  byte[] assemble() {
    for (var register : KEPT) {
      a.push(register);
    }
    // R8 A, R10 B, R11 start, RBP its step, RSI C, R12 k, R13 rows, RBX advance, R14 next, RCX end
    a.add(R8, RDI);
    a.mov(R10, RSI);
    a.add(R10, R9);
    a.mov(R11, RDX);
    a.add(R11, stacked(0));
    a.mov(RSI, RCX);
    a.add(RSI, stacked(1));
    a.mov(R12, stacked(2));
    a.mov(RBP, stacked(3));
    a.mov(R13, stacked(4));
    a.mov(RBX, stacked(5));
    a.mov(R14, stacked(6));
    a.mov(RCX, stacked(7));
    // Nothing wanted: to fetch what is there already costs least.
    a.test(R14, R14);
    a.cmov(Condition.EQUAL, R14, R10);
    a.cmov(Condition.EQUAL, RCX, R10);
    var rest = a.label();
    a.cmp(R13, rows);
    a.j(Condition.LESS, rest);
    var tiles = a.here();
    tile(rows);
    a.mov(R11, RDX);
    a.add(R8, RBX);
    a.add(RSI, rows * width);
    a.sub(R13, rows);
    a.cmp(R13, rows);
    a.j(Condition.GREATER_OR_EQUAL, tiles);
    a.bind(rest);
    lesserTile();
    a.vzeroupper();
    for (int i = KEPT.length - 1; i >= 0; i--) {
      a.pop(KEPT[i]);
    }
    a.ret();
    return a.code();
  }

  private static Address stacked(int argument) {
    return Address.of(RSP, STACKED + argument * Long.BYTES);
  }

  /** The rows that are left, R13. */
  private void lesserTile() {
    var done = a.label();
    for (int height = 1; height < rows; height++) {
      var other = a.label();
      a.cmp(R13, height);
      a.j(Condition.NOT_EQUAL, other);
      tile(height);
      a.jmp(done);
      a.bind(other);
    }
    a.bind(done);
  }

  /** A tile; leaves the row of start behind it in RDX. */
  private void tile(int height) {
    a.mov(RDX, R11);
    for (int r = 0; r < height; r++) {
      load(2 * r, Address.of(RDX));
      load(2 * r + 1, Address.of(RDX, vector));
      a.add(RDX, RBP);
    }
    a.mov(RAX, R8);
    a.mov(RDI, R10);
    a.mov(R15, R12);
    var few = a.label();
    var done = a.label();
    a.sub(R15, STEPS);
    a.j(Condition.LESS, few);
    var turns = a.here();
    for (int i = 0; i < STEPS; i++) {
      step(height, i);
    }
    fetchNext();
    advance(STEPS);
    a.sub(R15, STEPS);
    a.j(Condition.GREATER_OR_EQUAL, turns);
    a.bind(few);
    a.add(R15, STEPS);
    a.j(Condition.EQUAL, done);
    var single = a.here();
    step(height, 0);
    advance(1);
    a.dec(R15);
    a.j(Condition.NOT_EQUAL, single);
    a.bind(done);
    for (int r = 0; r < height; r++) {
      store(Address.of(RSI, r * width), 2 * r);
      store(Address.of(RSI, r * width + vector), 2 * r + 1);
    }
  }

  /** Step i of k of a turn. */
  private void step(int height, int i) {
    int p = 2 * height;
    int q = p + 1;
    int x = p + 2;
    load(p, Address.of(RDI, i * width));
    load(q, Address.of(RDI, i * width + vector));
    int ahead = height <= FEW ? FAR_AHEAD : AHEAD;
    for (int line = 0; line < width; line += LINE) {
      a.prefetcht0(Address.of(RDI, i * width + line + ahead));
    }
    for (int r = 0; r < height; r++) {
      broadcast(x, Address.of(RAX, r * stride + i * Float.BYTES));
      multiplyAdd(2 * r, x, p);
      multiplyAdd(2 * r + 1, x, q);
    }
  }

  private void fetchNext() {
    for (int i = 0; i < FETCHED; i++) {
      a.prefetcht1(Address.of(R14, i * LINE));
    }
    a.add(R14, FETCHED * LINE);
    a.cmp(R14, RCX);
    a.cmov(Condition.ABOVE, R14, RCX);
  }

  private void advance(int steps) {
    a.add(RAX, steps * Float.BYTES);
    a.add(RDI, steps * width);
  }

  private void load(int register, Address from) {
    if (wide) {
      a.vmovups(zmm(register), from);
    } else {
      a.vmovups(ymm(register), from);
    }
  }

  private void store(Address to, int register) {
    if (wide) {
      a.vmovups(to, zmm(register));
    } else {
      a.vmovups(to, ymm(register));
    }
  }

  private void broadcast(int register, Address from) {
    if (wide) {
      a.vbroadcastss(zmm(register), from);
    } else {
      a.vbroadcastss(ymm(register), from);
    }
  }

  private void multiplyAdd(int sum, int x, int y) {
    if (wide) {
      a.vfmadd231ps(zmm(sum), zmm(x), zmm(y));
    } else {
      a.vfmadd231ps(ymm(sum), ymm(x), ymm(y));
    }
  }
}
