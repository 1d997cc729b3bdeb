package dev.gatun.runtime.cpu.asm;

/**
 * The parts of an instruction that say its operands: REX, ModRM, SIB and displacement.
 *
 * <p>Source: Intel SDM volume 2, chapter 2.1 (formats, ModRM, SIB) and 2.2.1 (REX).
 */
final class Encoder {
  private static final int SIB_FOLLOWS = 4;
  private static final int NO_INDEX = 4;

  private Encoder() {}

  /** REX (where needed), the opcode with its 0F if it has one, and ModRM for two registers. */
  static void legacy(CodeBuffer code, boolean wide, int opcode, int reg, int rm) {
    rex(code, wide, reg, 0, rm);
    opcode(code, opcode);
    registers(code, reg, rm);
  }

  /** The same for a register, or the number of an instruction in a group, and memory. */
  static void legacy(CodeBuffer code, boolean wide, int opcode, int reg, Address rm) {
    var plain = rm.plainIn(code);
    rex(code, wide, reg, index(plain), base(plain));
    opcode(code, opcode);
    memory(code, reg, plain, 1, 0);
  }

  static void rex(CodeBuffer code, boolean wide, int reg, int index, int base) {
    int rex = (wide ? 8 : 0) | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
    if (rex != 0) {
      code.put8(0x40 | rex);
    }
  }

  private static void opcode(CodeBuffer code, int opcode) {
    if (opcode > 0xFF) {
      code.put8(opcode >> 8);
    }
    code.put8(opcode);
  }

  /** The number of the base, 0 if there is none. */
  static int base(Address address) {
    return address.base() == null ? 0 : address.base().number();
  }

  /** The number of the index, 0 if there is none. */
  static int index(Address address) {
    return address.index() == null ? 0 : address.index().number();
  }

  /** ModRM for two registers. */
  static void registers(CodeBuffer code, int reg, int rm) {
    code.put8(0xC0 | (reg & 7) << 3 | rm & 7);
  }

  /**
   * ModRM, SIB and displacement for a register and memory.
   *
   * @param unit what a displacement of one byte counts: 1, or the N of EVEX's disp8*N
   * @param trailing bytes of the instruction after the displacement
   */
  static void memory(CodeBuffer code, int reg, Address address, int unit, int trailing) {
    int field = (reg & 7) << 3;
    if (address.label() != null) {
      code.put8(field | 5);
      code.put32(address.label(), address.displacement(), trailing);
      return;
    }
    int displacement = address.displacement();
    int base = base(address) & 7;
    boolean small = displacement % unit == 0 && Operands.fitsByte(displacement / unit);
    // rbp and r13 have no form without a displacement: that means rip
    int mode = displacement == 0 && base != Gp.RBP.number() ? 0 : small ? 1 : 2;
    if (address.index() != null || base == Gp.RSP.number()) {
      int index = address.index() == null ? NO_INDEX : index(address) & 7;
      code.put8(mode << 6 | field | SIB_FOLLOWS);
      code.put8(Integer.numberOfTrailingZeros(address.scale()) << 6 | index << 3 | base);
    } else {
      code.put8(mode << 6 | field | base);
    }
    if (mode == 1) {
      code.put8(displacement / unit);
    } else if (mode == 2) {
      code.put32(displacement);
    }
  }
}
