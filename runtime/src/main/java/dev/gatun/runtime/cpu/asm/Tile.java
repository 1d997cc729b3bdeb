package dev.gatun.runtime.cpu.asm;

/**
 * A tile of AMX: 16 rows of 64 bytes, unless its configuration says less.
 *
 * @param number 0 to 7
 */
public record Tile(int number) {
  /** Checks the number. */
  public Tile {
    Operands.require(number >= 0 && number < 8, "there is no tile %d: use 0 to 7", number);
  }

  /** The same in fewer letters. */
  public static Tile tmm(int number) {
    return new Tile(number);
  }
}
