package dev.gatun.runtime.cpu.asm;

/**
 * Instructions of general registers, and jumps.
 *
 * <p>Source: Intel SDM volume 2, chapters 3 and 4, under the name of each.
 */
abstract sealed class IntegerInstructions permits MoveInstructions {
  final CodeBuffer code = new CodeBuffer();

  /** A new label of this code. */
  public Label label() {
    return new Label(code);
  }

  /** Binds a label to the next byte. */
  public void bind(Label label) {
    code.check(label);
    label.bind(code.size());
  }

  /** A new label that is bound to the next byte. */
  public Label here() {
    var label = label();
    bind(label);
    return label;
  }

  // moves

  /** Copies 64 bits. */
  public void mov(Gp destination, Gp source) {
    Encoder.legacy(code, true, 0x89, source.number(), destination.number());
  }

  /** Sets all 64 bits, in the shortest of its forms that keeps the flags. */
  public void mov(Gp destination, long value) {
    int reg = destination.number();
    if (value == (int) value) {
      Encoder.legacy(code, true, 0xC7, 0, reg);
      code.put32((int) value);
    } else {
      Encoder.rex(code, true, 0, 0, reg);
      code.put8(0xB8 | reg & 7);
      code.put64(value);
    }
  }

  /** Loads 64 bits. */
  public void mov(Gp destination, Address source) {
    Encoder.legacy(code, true, 0x8B, destination.number(), source);
  }

  /** Stores 64 bits. */
  public void mov(Address destination, Gp source) {
    Encoder.legacy(code, true, 0x89, source.number(), destination);
  }

  /** Copies 32 bits; the upper half of the destination becomes zero. */
  public void mov32(Gp destination, Gp source) {
    Encoder.legacy(code, false, 0x89, source.number(), destination.number());
  }

  /** Loads 32 bits; the upper half of the destination becomes zero. */
  public void mov32(Gp destination, Address source) {
    Encoder.legacy(code, false, 0x8B, destination.number(), source);
  }

  /** Stores 32 bits. */
  public void mov32(Address destination, Gp source) {
    Encoder.legacy(code, false, 0x89, source.number(), destination);
  }

  /** The address itself. */
  public void lea(Gp destination, Address source) {
    Encoder.legacy(code, true, 0x8D, destination.number(), source);
  }

  /** Copies 64 bits if the condition holds. */
  public void cmov(Condition condition, Gp destination, Gp source) {
    int opcode = 0x0F40 | condition.code();
    Encoder.legacy(code, true, opcode, destination.number(), source.number());
  }

  /** Pushes 64 bits. */
  public void push(Gp source) {
    Encoder.rex(code, false, 0, 0, source.number());
    code.put8(0x50 | source.number() & 7);
  }

  /** Pops 64 bits. */
  public void pop(Gp destination) {
    Encoder.rex(code, false, 0, 0, destination.number());
    code.put8(0x58 | destination.number() & 7);
  }

  // arithmetic

  /** destination += source. */
  public void add(Gp destination, Gp source) {
    arithmetic(0, destination, source);
  }

  /** destination += value. */
  public void add(Gp destination, int value) {
    arithmetic(0, destination, value);
  }

  /** destination += 64 bits of memory. */
  public void add(Gp destination, Address source) {
    Encoder.legacy(code, true, 0x03, destination.number(), source);
  }

  /** destination |= source. */
  public void or(Gp destination, Gp source) {
    arithmetic(1, destination, source);
  }

  /** destination |= value. */
  public void or(Gp destination, int value) {
    arithmetic(1, destination, value);
  }

  /** destination &amp;= source. */
  public void and(Gp destination, Gp source) {
    arithmetic(4, destination, source);
  }

  /** destination &amp;= value. */
  public void and(Gp destination, int value) {
    arithmetic(4, destination, value);
  }

  /** destination -= source. */
  public void sub(Gp destination, Gp source) {
    arithmetic(5, destination, source);
  }

  /** destination -= value. */
  public void sub(Gp destination, int value) {
    arithmetic(5, destination, value);
  }

  /** destination ^= source. */
  public void xor(Gp destination, Gp source) {
    arithmetic(6, destination, source);
  }

  /** destination ^= value. */
  public void xor(Gp destination, int value) {
    arithmetic(6, destination, value);
  }

  /** Compares first with second, for a condition that follows. */
  public void cmp(Gp first, Gp second) {
    arithmetic(7, first, second);
  }

  /** Compares first with a value, for a condition that follows. */
  public void cmp(Gp first, int value) {
    arithmetic(7, first, value);
  }

  /** Flags of first &amp; second. */
  public void test(Gp first, Gp second) {
    Encoder.legacy(code, true, 0x85, second.number(), first.number());
  }

  /** Flags of first &amp; value. */
  public void test(Gp first, int value) {
    if (first == Gp.RAX) {
      Encoder.rex(code, true, 0, 0, 0);
      code.put8(0xA9);
    } else {
      Encoder.legacy(code, true, 0xF7, 0, first.number());
    }
    code.put32(value);
  }

  /** destination *= source. */
  public void imul(Gp destination, Gp source) {
    Encoder.legacy(code, true, 0x0FAF, destination.number(), source.number());
  }

  /** destination = source * value. */
  public void imul(Gp destination, Gp source, int value) {
    boolean small = Operands.fitsByte(value);
    Encoder.legacy(code, true, small ? 0x6B : 0x69, destination.number(), source.number());
    immediate(small, value);
  }

  /** destination &lt;&lt;= bits. */
  public void shl(Gp destination, int bits) {
    shift(4, destination, bits);
  }

  /** destination &gt;&gt;&gt;= bits. */
  public void shr(Gp destination, int bits) {
    shift(5, destination, bits);
  }

  /** destination &gt;&gt;= bits. */
  public void sar(Gp destination, int bits) {
    shift(7, destination, bits);
  }

  /** destination++. */
  public void inc(Gp destination) {
    Encoder.legacy(code, true, 0xFF, 0, destination.number());
  }

  /** destination--. */
  public void dec(Gp destination) {
    Encoder.legacy(code, true, 0xFF, 1, destination.number());
  }

  /** destination = -destination. */
  public void neg(Gp destination) {
    Encoder.legacy(code, true, 0xF7, 3, destination.number());
  }

  // jumps

  /** Jumps. */
  public void jmp(Label label) {
    jump(0xEB, 0xE9, label);
  }

  /** Jumps if the condition holds. */
  public void j(Condition condition, Label label) {
    jump(0x70 | condition.code(), 0x0F80 | condition.code(), label);
  }

  /** Calls what lies at a label. */
  public void call(Label label) {
    code.check(label);
    code.put8(0xE8);
    code.put32(label, 0, 0);
  }

  /** Calls what lies at the address in a register. */
  public void call(Gp target) {
    Encoder.legacy(code, false, 0xFF, 2, target.number());
  }

  /** Returns. */
  public void ret() {
    code.put8(0xC3);
  }

  // others

  /** Does nothing. */
  public void nop() {
    code.put8(0x90);
  }

  /** What this processor has: leaf eax, subleaf ecx into eax, ebx, ecx and edx. */
  public void cpuid() {
    code.put8(0x0F);
    code.put8(0xA2);
  }

  /** Extended control register ecx into edx and eax. */
  public void xgetbv() {
    code.put8(0x0F);
    code.put8(0x01);
    code.put8(0xD0);
  }

  /** Towards all levels of the cache. */
  public void prefetcht0(Address address) {
    Encoder.legacy(code, false, 0x0F18, 1, address);
  }

  /** Towards the second level of the cache and higher ones. */
  public void prefetcht1(Address address) {
    Encoder.legacy(code, false, 0x0F18, 2, address);
  }

  /** Towards the third level of the cache. */
  public void prefetcht2(Address address) {
    Encoder.legacy(code, false, 0x0F18, 3, address);
  }

  /** Near, for a single use. */
  public void prefetchnta(Address address) {
    Encoder.legacy(code, false, 0x0F18, 0, address);
  }

  /** For a store. */
  public void prefetchw(Address address) {
    Encoder.legacy(code, false, 0x0F0D, 1, address);
  }

  private void arithmetic(int operation, Gp destination, Gp source) {
    Encoder.legacy(code, true, operation << 3 | 1, source.number(), destination.number());
  }

  private void arithmetic(int operation, Gp destination, int value) {
    boolean small = Operands.fitsByte(value);
    if (destination == Gp.RAX && !small) {
      Encoder.rex(code, true, 0, 0, 0);
      code.put8(operation << 3 | 5);
    } else {
      Encoder.legacy(code, true, small ? 0x83 : 0x81, operation, destination.number());
    }
    immediate(small, value);
  }

  private void shift(int operation, Gp destination, int bits) {
    Operands.require(bits >= 0 && bits < 64, "64 bits cannot be shifted by %d", bits);
    Encoder.legacy(code, true, bits == 1 ? 0xD1 : 0xC1, operation, destination.number());
    if (bits != 1) {
      code.put8(bits);
    }
  }

  private void immediate(boolean small, int value) {
    if (small) {
      code.put8(value);
    } else {
      code.put32(value);
    }
  }

  /** Short where the label is bound and near. */
  private void jump(int near, int far, Label label) {
    code.check(label);
    long distance = label.isBound() ? label.position() - (code.size() + 2L) : Integer.MIN_VALUE;
    if (Operands.fitsByte(distance)) {
      code.put8(near);
      code.put8((int) distance);
      return;
    }
    if (far > 0xFF) {
      code.put8(far >> 8);
    }
    code.put8(far);
    code.put32(label, 0, 0);
  }
}
