package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Label;
import dev.gatun.runtime.cpu.asm.Zmm;

/**
 * Folds the 16 numbers of a vector into one, by halves, so that in the end each of them is the
 * result: always in the same order. Two registers hold the last exchanges.
 */
final class LaneFold {
  private static final int LINE = 64;
  private static final int LANES = 16;
  private static final Zmm BY_TWO = zmm(25);
  private static final Zmm BY_ONE = zmm(26);

  private final Assembler a;
  private final Label byTwo;
  private final Label byOne;

  /** An instruction of two operands. */
  interface Binary {
    void emit(Zmm destination, Zmm first, Zmm second);
  }

  LaneFold(Assembler a) {
    this.a = a;
    byTwo = a.label();
    byOne = a.label();
  }

  /** To be emitted before the first fold. */
  void load() {
    a.vmovups(BY_TWO, Address.of(byTwo));
    a.vmovups(BY_ONE, Address.of(byOne));
  }

  /**
   * @param x becomes the result in all numbers
   * @param t is used up
   */
  void fold(Zmm x, Zmm t, Binary operation) {
    a.vshuff32x4(t, x, x, 0x4E);
    operation.emit(x, x, t);
    a.vshuff32x4(t, x, x, 0xB1);
    operation.emit(x, x, t);
    a.vpermd(t, BY_TWO, x);
    operation.emit(x, x, t);
    a.vpermd(t, BY_ONE, x);
    operation.emit(x, x, t);
  }

  /** Puts the data behind the code. */
  void place() {
    a.align(LINE);
    a.bind(byTwo);
    a.data(exchange(2));
    a.bind(byOne);
    a.data(exchange(1));
  }

  /** Indices that exchange numbers with those at a distance. */
  private static int[] exchange(int distance) {
    int[] indices = new int[LANES];
    for (int i = 0; i < LANES; i++) {
      indices[i] = i ^ distance;
    }
    return indices;
  }
}
