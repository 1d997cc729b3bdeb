package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;

import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Gp;

/**
 * Up to eight rows of a matrix in memory, as machine code finds them: RAX leads to four of them and
 * RDX to the other four, with a distance between rows that only the call knows.
 *
 * @param stride holds the bytes from a row to the next
 * @param triple three times as much
 */
record RowAddresses(Gp stride, Gp triple) {
  private static final int OF_A_REGISTER = 4;

  /** To be called when the stride is there. */
  void begin(Assembler a) {
    a.lea(triple, Address.at(stride, stride, 2));
  }

  /** Moves on to a place. */
  void at(Assembler a, Gp first) {
    a.mov(RAX, first);
    a.lea(RDX, Address.at(RAX, stride, OF_A_REGISTER));
  }

  Address row(int row, int displacement) {
    var base = row < OF_A_REGISTER ? RAX : RDX;
    return switch (row % OF_A_REGISTER) {
      case 0 -> Address.of(base, displacement);
      case 3 -> Address.at(base, triple, 1, displacement);
      default -> Address.at(base, stride, row % OF_A_REGISTER, displacement);
    };
  }
}
