package dev.gatun.runtime.cpu.asm;

/**
 * A place in the code of one assembler, to jump to or to load from; it may be used before bound.
 */
public final class Label {
  private final CodeBuffer code;
  private int position = -1;

  Label(CodeBuffer code) {
    this.code = code;
  }

  boolean isIn(CodeBuffer other) {
    return code == other;
  }

  boolean isBound() {
    return position >= 0;
  }

  int position() {
    return position;
  }

  void bind(int here) {
    Operands.require(!isBound(), "a label is one place, this one is bound at %d already", position);
    position = here;
  }
}
