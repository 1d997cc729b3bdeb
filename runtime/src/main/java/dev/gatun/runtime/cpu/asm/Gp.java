package dev.gatun.runtime.cpu.asm;

/** A general register of 64 bits; instructions with 32 in their name use its lower half. */
public enum Gp {
  RAX,
  RCX,
  RDX,
  RBX,
  RSP,
  RBP,
  RSI,
  RDI,
  R8,
  R9,
  R10,
  R11,
  R12,
  R13,
  R14,
  R15;

  /** As instructions encode it. */
  int number() {
    return ordinal();
  }
}
