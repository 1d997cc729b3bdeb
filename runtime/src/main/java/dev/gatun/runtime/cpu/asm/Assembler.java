package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Operands.require;

import java.util.HexFormat;

/**
 * Makes machine code of x86-64 with AVX-512 and AMX: a method for each instruction, the destination
 * first as in Intel's manual. What its type allows and no processor can execute, such as a mask on
 * a source, is refused with an {@link IllegalArgumentException}; whether this processor has an
 * instruction must be asked of {@link Cpuid}.
 *
 * {@snippet :
 * var a = new Assembler();
 * var loop = a.here();
 * a.vaddps(zmm(0), zmm(0), Address.of(RDI, 64));
 * a.add(RDI, 64);
 * a.dec(RSI);
 * a.j(Condition.NOT_EQUAL, loop);
 * a.ret();
 * byte[] code = a.code();
 * }
 *
 * <p>Source of the tiles here: Intel SDM volume 2, chapters 3 to 5, and volume 1, chapter 18.
 */
public final class Assembler extends ArithmeticInstructions {
  private static final VexOpcode LDTILECFG = new VexOpcode(0, 0, 2, 0, 0x49);
  private static final VexOpcode STTILECFG = new VexOpcode(0, 1, 2, 0, 0x49);
  private static final VexOpcode TILERELEASE = new VexOpcode(0, 0, 2, 0, 0x49);
  private static final VexOpcode TILEZERO = new VexOpcode(0, 3, 2, 0, 0x49);
  private static final VexOpcode TILELOADD = new VexOpcode(0, 3, 2, 0, 0x4B);
  private static final VexOpcode TILELOADDT1 = new VexOpcode(0, 1, 2, 0, 0x4B);
  private static final VexOpcode TILESTORED = new VexOpcode(0, 2, 2, 0, 0x4B);
  private static final VexOpcode TDPBF16PS = new VexOpcode(0, 2, 2, 0, 0x5C);
  private static final VexOpcode TDPBUSD = new VexOpcode(0, 1, 2, 0, 0x5E);
  private static final VexOpcode TDPBSSD = new VexOpcode(0, 3, 2, 0, 0x5E);

  /** Configures the tiles from 64 bytes, and zeroes them. */
  public void ldtilecfg(Address source) {
    LDTILECFG.emit(code, 0, 0, source, 0);
  }

  /** Stores the configuration of the tiles, 64 bytes. */
  public void sttilecfg(Address destination) {
    STTILECFG.emit(code, 0, 0, destination, 0);
  }

  /** Gives the tiles up, so that nobody need save them. */
  public void tilerelease() {
    TILERELEASE.emit(code, 0, 0, 0);
  }

  /** Sets a tile to zero. */
  public void tilezero(Tile destination) {
    TILEZERO.emit(code, destination.number(), 0, 0);
  }

  /** Loads a tile: row r lies at base + displacement + r × (index × scale). */
  public void tileloadd(Tile destination, Address source) {
    TILELOADD.emit(code, destination.number(), 0, rows(source), 0);
  }

  /** The same for a tile that is not soon needed again. */
  public void tileloaddt1(Tile destination, Address source) {
    TILELOADDT1.emit(code, destination.number(), 0, rows(source), 0);
  }

  /** Stores a tile: row r at base + displacement + r × (index × scale). */
  public void tilestored(Address destination, Tile source) {
    TILESTORED.emit(code, source.number(), 0, rows(destination), 0);
  }

  /** destination += first × second, of bf16; second has rows of pairs. */
  public void tdpbf16ps(Tile destination, Tile first, Tile second) {
    multiply(TDPBF16PS, destination, first, second);
  }

  /** destination += first × second, of unsigned with signed bytes; second has rows of fours. */
  public void tdpbusd(Tile destination, Tile first, Tile second) {
    multiply(TDPBUSD, destination, first, second);
  }

  /** destination += first × second, of signed bytes; second has rows of fours. */
  public void tdpbssd(Tile destination, Tile first, Tile second) {
    multiply(TDPBSSD, destination, first, second);
  }

  private static Address rows(Address address) {
    require(
        address.index() != null, "the rows of a tile need an index, their distance: %s", address);
    return address;
  }

  private void multiply(VexOpcode op, Tile destination, Tile first, Tile second) {
    require(
        !destination.equals(first) && !destination.equals(second) && !first.equals(second),
        "the three tiles of a product must differ, %s is there twice",
        destination.equals(first) || destination.equals(second) ? destination : first);
    op.emit(code, destination.number(), second.number(), first.number());
  }

  // constants

  /** The instructions that do nothing, of 1 to 9 bytes: Intel SDM volume 2, NOP. */
  private static final String[] NOTHING = {
    "90",
    "6690",
    "0F1F00",
    "0F1F4000",
    "0F1F440000",
    "660F1F440000",
    "0F1F8000000000",
    "0F1F840000000000",
    "660F1F840000000000"
  };

  /** Fills up to an address divisible by this, at most 4096, with instructions that do nothing. */
  public void align(int bytes) {
    require(
        Integer.bitCount(bytes) == 1 && bytes > 0 && bytes <= 4096,
        "code can be aligned to a power of two up to 4096, not to %d",
        bytes);
    int missing = -code.size() & bytes - 1;
    while (missing > 0) {
      int length = Math.min(missing, NOTHING.length);
      for (byte b : HexFormat.of().parseHex(NOTHING[length - 1])) {
        code.put8(b);
      }
      missing -= length;
    }
  }

  /** Data: ints, to be loaded with {@link Address#of(Label)}. */
  public void data(int... values) {
    for (int value : values) {
      code.put32(value);
    }
  }

  /** Data: floats, to be loaded with {@link Address#of(Label)}. */
  public void data(float... values) {
    for (float value : values) {
      code.put32(Float.floatToRawIntBits(value));
    }
  }

  // the code

  /** Bytes so far. */
  public int size() {
    return code.size();
  }

  /**
   * The code so far. It may lie at any address that satisfies its alignments.
   *
   * @throws IllegalStateException if a label that is used is not bound, or too far away
   */
  public byte[] code() {
    return code.finish();
  }
}
