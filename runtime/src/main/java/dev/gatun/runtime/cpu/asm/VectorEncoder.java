package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Operands.require;

/**
 * Encodes the instructions of {@link VectorOpcode}: with VEX where that can say it, since it is
 * shorter and known to older processors, else with EVEX.
 *
 * <p>Source: Intel SDM volume 2, chapter 2.7.
 */
final class VectorEncoder {
  private static final int NO_IMMEDIATE = -1;

  private final CodeBuffer code;

  VectorEncoder(CodeBuffer code) {
    this.code = code;
  }

  /** Registers; {@code second} is null if there are but two operands. */
  void emit(VectorOpcode op, Vector destination, Vector second, Vector rm) {
    emit(op, destination, second, rm, NO_IMMEDIATE);
  }

  /** Registers and an immediate byte, which the caller has checked. */
  void emit(VectorOpcode op, Vector destination, Vector second, Vector rm, int immediate) {
    checkSource(op, second);
    checkSource(op, rm);
    var target = Target.of(destination, Math.max(destination.length(), rm.length()));
    if (target.isVex(op, second) && rm.number() < 16) {
      vex(op, target.length).emit(code, target.reg, number(second), rm.number());
    } else {
      evex(op, target, number(second), rm.number() >> 1, rm.number(), false);
      Encoder.registers(code, target.reg, rm.number());
    }
    put(immediate);
  }

  /** A register that is both the destination and in the place of {@code second}: a shift. */
  void emitShift(VectorOpcode op, int group, Vector destination, Vector source, int immediate) {
    checkSource(op, source);
    var target = new Target(group, destination.length(), destination.mask(), destination.zeroing());
    if (target.isVex(op, destination) && source.number() < 16) {
      vex(op, target.length).emit(code, group, destination.number(), source.number());
    } else {
      evex(op, target, destination.number(), source.number() >> 1, source.number(), false);
      Encoder.registers(code, group, source.number());
    }
    put(immediate);
  }

  /** A vector and a general register. */
  void emit(VectorOpcode op, Vector destination, Gp source) {
    var target = Target.of(destination, destination.length());
    evex(op, target, 0, 0, source.number(), false);
    Encoder.registers(code, target.reg, source.number());
  }

  /** A source in memory; {@code second} is null if there are but two operands. */
  void emit(VectorOpcode op, Vector destination, Vector second, Address rm) {
    emit(op, destination, second, rm, NO_IMMEDIATE);
  }

  /** A source in memory and an immediate byte, which the caller has checked. */
  void emit(VectorOpcode op, Vector destination, Vector second, Address rm, int immediate) {
    emit(op, Target.of(destination, destination.length()), second, rm, immediate);
  }

  /** A source in memory that is twice as long as the destination. */
  void emitNarrowing(VectorOpcode op, Vector destination, Address rm) {
    emit(op, Target.of(destination, destination.length() + 1), null, rm, NO_IMMEDIATE);
  }

  private void emit(VectorOpcode op, Target target, Vector second, Address rm, int immediate) {
    require(rm.mask() == Mask.K0, "%s: only a destination takes a mask", op);
    require(!rm.broadcast() || op.memory == VectorOpcode.Memory.FULL, "%s cannot broadcast", op);
    checkSource(op, second);
    memory(op, target, second, rm, immediate);
  }

  /** A destination in memory. */
  void store(VectorOpcode op, Address destination, Vector source) {
    require(!destination.broadcast(), "%s cannot broadcast", op);
    require(op != VectorOpcode.VMOVNTPS || destination.mask() == Mask.K0, "%s takes no mask", op);
    checkSource(op, source);
    var target = new Target(source.number(), source.length(), destination.mask(), false);
    memory(op, target, null, destination, NO_IMMEDIATE);
  }

  private void memory(VectorOpcode op, Target target, Vector second, Address rm, int immediate) {
    rm.checkLabel(code);
    int trailing = immediate == NO_IMMEDIATE ? 0 : 1;
    if (target.isVex(op, second) && !rm.broadcast()) {
      vex(op, target.length).emit(code, target.reg, number(second), rm, trailing);
    } else {
      int unit = op.unit(16 << target.length, rm.broadcast());
      evex(op, target, number(second), Encoder.index(rm), Encoder.base(rm), rm.broadcast());
      Encoder.memory(code, target.reg, rm, unit, trailing);
    }
    put(immediate);
  }

  /**
   * What goes into ModRM's reg, and how the instruction writes.
   *
   * @param length 0, 1 and 2 for 128, 256 and 512 bits
   */
  private record Target(int reg, int length, Mask mask, boolean zeroing) {
    static Target of(Vector destination, int length) {
      return new Target(destination.number(), length, destination.mask(), destination.zeroing());
    }

    boolean isVex(VectorOpcode op, Vector second) {
      return op.vex && length < 2 && reg < 16 && number(second) < 16 && mask == Mask.K0;
    }
  }

  private static VexOpcode vex(VectorOpcode op, int length) {
    return new VexOpcode(length, op.prefix, op.map, 0, op.opcode);
  }

  /**
   * The four bytes of EVEX, and the opcode.
   *
   * @param index its bit 3 becomes X: of the index, or bit 4 of a vector register in rm
   */
  private void evex(
      VectorOpcode op, Target target, int second, int index, int base, boolean broadcast) {
    int reg = target.reg;
    int registers = reg << 4 & 0x80 | index << 3 & 0x40 | base << 2 & 0x20 | reg & 0x10;
    code.put8(0x62);
    code.put8(~registers & 0xF0 | op.map);
    code.put8(op.w << 7 | (~second & 15) << 3 | 4 | op.prefix);
    code.put8(
        (target.zeroing ? 0x80 : 0)
            | target.length << 5
            | (broadcast ? 0x10 : 0)
            | ~second >> 1 & 8
            | target.mask.number());
    code.put8(op.opcode);
  }

  private static int number(Vector register) {
    return register == null ? 0 : register.number();
  }

  private static void checkSource(VectorOpcode op, Vector source) {
    require(source == null || source.mask() == Mask.K0, "%s: only a destination takes a mask", op);
  }

  private void put(int immediate) {
    if (immediate != NO_IMMEDIATE) {
      code.put8(immediate);
    }
  }
}
