package dev.gatun.runtime.cpu.asm;

/** A mask register. K0 can be computed with, but as the mask of an operand it means none. */
public enum Mask {
  K0,
  K1,
  K2,
  K3,
  K4,
  K5,
  K6,
  K7;

  int number() {
    return ordinal();
  }
}
