package dev.gatun.runtime.cpu.asm;

/**
 * An instruction with a VEX prefix.
 *
 * <p>Source: Intel SDM volume 2, chapter 2.3.5.
 *
 * @param length 0 for 128 bits, 1 for 256
 * @param prefix 0, 1, 2 and 3 stand for none, 66, F3 and F2
 * @param map 1, 2 and 3 stand for 0F, 0F38 and 0F3A
 * @param w 0 or 1
 */
record VexOpcode(int length, int prefix, int map, int w, int opcode) {
  /** Registers by their numbers; {@code second} is the one in the prefix, 0 if there is none. */
  void emit(CodeBuffer code, int reg, int second, int rm) {
    prefix(code, reg, second, 0, rm);
    Encoder.registers(code, reg, rm);
  }

  /**
   * Registers and memory.
   *
   * @param trailing bytes that the instruction has after it
   */
  void emit(CodeBuffer code, int reg, int second, Address rm, int trailing) {
    var plain = rm.plainIn(code);
    prefix(code, reg, second, Encoder.index(plain), Encoder.base(plain));
    Encoder.memory(code, reg, plain, 1, trailing);
  }

  private void prefix(CodeBuffer code, int reg, int second, int index, int base) {
    int notR = ~reg << 4 & 0x80;
    int last = (~second & 15) << 3 | length << 2 | prefix;
    if (map == 1 && w == 0 && index < 8 && base < 8) {
      code.put8(0xC5);
      code.put8(notR | last);
    } else {
      code.put8(0xC4);
      code.put8(notR | ~index << 3 & 0x40 | ~base << 2 & 0x20 | map);
      code.put8(w << 7 | last);
    }
    code.put8(opcode);
  }
}
