package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Cases.text;
import static dev.gatun.runtime.cpu.asm.Cases.text32;
import static dev.gatun.runtime.cpu.asm.Condition.ABOVE;
import static dev.gatun.runtime.cpu.asm.Condition.BELOW;
import static dev.gatun.runtime.cpu.asm.Condition.EQUAL;
import static dev.gatun.runtime.cpu.asm.Condition.GREATER_OR_EQUAL;
import static dev.gatun.runtime.cpu.asm.Condition.LESS;
import static dev.gatun.runtime.cpu.asm.Condition.NOT_EQUAL;
import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R11;
import static dev.gatun.runtime.cpu.asm.Gp.R12;
import static dev.gatun.runtime.cpu.asm.Gp.R13;
import static dev.gatun.runtime.cpu.asm.Gp.R14;
import static dev.gatun.runtime.cpu.asm.Gp.R15;
import static dev.gatun.runtime.cpu.asm.Gp.R8;
import static dev.gatun.runtime.cpu.asm.Gp.R9;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RBP;
import static dev.gatun.runtime.cpu.asm.Gp.RBX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Gp.RSP;

final class IntegerCases {
  private IntegerCases() {}

  static void addTo(Cases cases) {
    addMoves(cases);
    addAddresses(cases);
    addArithmetic(cases);
    addImmediates(cases);
    addJumps(cases);
    addOthers(cases);
  }

  private static void addMoves(Cases cases) {
    for (var r : Gp.values()) {
      var other = Gp.values()[15 - r.ordinal()];
      cases.add("mov " + text(r) + ", " + text(other), a -> a.mov(r, other));
      cases.add("mov " + text32(r) + ", " + text32(other), a -> a.mov32(r, other));
      cases.add("push " + text(r), a -> a.push(r));
      cases.add("pop " + text(r), a -> a.pop(r));
      cases.add("mov " + text(r) + ", 4660", a -> a.mov(r, 4660));
      cases.add("mov " + text(r) + ", -81985529216486896", a -> a.mov(r, -81985529216486896L));
    }
    cases.add("mov rax, 0", a -> a.mov(RAX, 0));
    cases.add("mov rax, -1", a -> a.mov(RAX, -1));
    cases.add("mov r9, 2147483647", a -> a.mov(R9, Integer.MAX_VALUE));
    cases.add("mov r9, -2147483648", a -> a.mov(R9, Integer.MIN_VALUE));
    cases.add("mov r9, 2147483648", a -> a.mov(R9, 1L << 31));
    cases.add("mov rdx, -2147483649", a -> a.mov(RDX, Integer.MIN_VALUE - 1L));
    cases.add("cmove rax, rbx", a -> a.cmov(EQUAL, RAX, RBX));
    cases.add("cmovne r8, rdi", a -> a.cmov(NOT_EQUAL, R8, RDI));
    cases.add("cmovl rcx, r15", a -> a.cmov(LESS, RCX, R15));
    cases.add("cmovge r12, r13", a -> a.cmov(GREATER_OR_EQUAL, R12, R13));
    cases.add("cmovb rsi, rax", a -> a.cmov(BELOW, RSI, RAX));
    cases.add("cmova rsi, rax", a -> a.cmov(ABOVE, RSI, RAX));
  }

  private static void addAddresses(Cases cases) {
    for (var base : Gp.values()) {
      for (int displacement : new int[] {0, 16, -128, 127, 128, -129}) {
        var address = Address.of(base, displacement);
        cases.add("mov rcx, %s", address, a -> a.mov(RCX, address));
      }
      var index = base == RBX ? RSI : Gp.values()[base.ordinal() ^ 8];
      if (index != RSP) {
        var scaled = Address.at(base, index, 4);
        cases.add("mov r10, %s", scaled, a -> a.mov(R10, scaled));
      }
    }
    for (int scale : new int[] {1, 2, 4, 8}) {
      for (int displacement : new int[] {0, 8, 4096}) {
        var address = Address.at(RBP, R12, scale, displacement);
        cases.add("lea r11, %s", address, a -> a.lea(R11, address));
        var other = Address.at(R13, RAX, scale, displacement);
        cases.add("lea rdi, %s", other, a -> a.lea(RDI, other));
      }
    }
    cases.add("mov [rdi], rax", a -> a.mov(Address.of(RDI), RAX));
    cases.add("mov [r12+64], r9", a -> a.mov(Address.of(R12, 64), R9));
    cases.add("mov eax, [rsp+8]", a -> a.mov32(RAX, Address.of(RSP, 8)));
    cases.add("mov r8d, [r13]", a -> a.mov32(R8, Address.of(R13)));
    cases.add("mov [r8+12], edx", a -> a.mov32(Address.of(R8, 12), RDX));
    cases.add("mov [rsp+rbp*8], r15d", a -> a.mov32(Address.at(RSP, RBP, 8), R15));
    cases.add("add rax, [rsi]", a -> a.add(RAX, Address.of(RSI)));
    cases.add("add r14, [rbp+r9*2-8]", a -> a.add(R14, Address.at(RBP, R9, 2, -8)));
    cases.add(
        "lea rax, [rip+1f]; ret; 1: ret",
        a -> {
          var label = a.label();
          a.lea(RAX, Address.of(label));
          a.ret();
          a.bind(label);
          a.ret();
        });
    cases.add(
        "1: ret; mov r9, [rip+1b+8]",
        a -> {
          var label = a.here();
          a.ret();
          a.mov(R9, Address.of(label).plus(8));
        });
  }

  private static void addArithmetic(Cases cases) {
    cases.add("add rax, rbx", a -> a.add(RAX, RBX));
    cases.add("add r8, r15", a -> a.add(R8, R15));
    cases.add("or rcx, r9", a -> a.or(RCX, R9));
    cases.add("or r9, rcx", a -> a.or(R9, RCX));
    cases.add("and rdx, rsp", a -> a.and(RDX, RSP));
    cases.add("and r12, r13", a -> a.and(R12, R13));
    cases.add("sub rsi, rdi", a -> a.sub(RSI, RDI));
    cases.add("sub r11, rbp", a -> a.sub(R11, RBP));
    cases.add("xor rcx, rcx", a -> a.xor(RCX, RCX));
    cases.add("xor r14, r10", a -> a.xor(R14, R10));
    cases.add("cmp rbx, r8", a -> a.cmp(RBX, R8));
    cases.add("cmp r8, rbx", a -> a.cmp(R8, RBX));
    cases.add("test rax, rax", a -> a.test(RAX, RAX));
    cases.add("test r13, rdx", a -> a.test(R13, RDX));
    cases.add("imul rax, rbx", a -> a.imul(RAX, RBX));
    cases.add("imul r9, r10", a -> a.imul(R9, R10));
    cases.add("imul rax, rbx, 100", a -> a.imul(RAX, RBX, 100));
    cases.add("imul r15, rcx, -128", a -> a.imul(R15, RCX, -128));
    cases.add("imul rdx, r8, 4608", a -> a.imul(RDX, R8, 4608));
    cases.add("imul rdx, rdx, 128", a -> a.imul(RDX, RDX, 128));
    cases.add("shl rax, 1", a -> a.shl(RAX, 1));
    cases.add("shl r8, 6", a -> a.shl(R8, 6));
    cases.add("shl rdx, 32", a -> a.shl(RDX, 32));
    cases.add("shr rbx, 1", a -> a.shr(RBX, 1));
    cases.add("shr r15, 63", a -> a.shr(R15, 63));
    cases.add("sar rcx, 1", a -> a.sar(RCX, 1));
    cases.add("sar r9, 4", a -> a.sar(R9, 4));
    cases.add("inc rax", a -> a.inc(RAX));
    cases.add("inc r12", a -> a.inc(R12));
    cases.add("dec rsi", a -> a.dec(RSI));
    cases.add("dec r8", a -> a.dec(R8));
    cases.add("neg rdi", a -> a.neg(RDI));
    cases.add("neg r13", a -> a.neg(R13));
  }

  private static void addImmediates(Cases cases) {
    for (int value : new int[] {1, -128, 127, 128, 65536, Integer.MIN_VALUE}) {
      for (var r : new Gp[] {RAX, RBX, RSP, R12}) {
        var operands = " " + text(r) + ", " + value;
        cases.add("add" + operands, a -> a.add(r, value));
        cases.add("or" + operands, a -> a.or(r, value));
        cases.add("and" + operands, a -> a.and(r, value));
        cases.add("sub" + operands, a -> a.sub(r, value));
        cases.add("xor" + operands, a -> a.xor(r, value));
        cases.add("cmp" + operands, a -> a.cmp(r, value));
        cases.add("test" + operands, a -> a.test(r, value));
      }
    }
  }

  private static void addJumps(Cases cases) {
    var suffixes = "o no b ae e ne be a s ns l ge le g".split(" ");
    for (var condition : Condition.values()) {
      var name = "j" + suffixes[condition.ordinal()];
      cases.add(
          "1: ret; " + name + " 1b",
          a -> {
            var label = a.here();
            a.ret();
            a.j(condition, label);
          });
      cases.add(
          "{disp32} " + name + " 1f; ret; 1: ret",
          a -> {
            var label = a.label();
            a.j(condition, label);
            a.ret();
            a.bind(label);
            a.ret();
          });
    }
    cases.add("1: jmp 1b", a -> a.jmp(a.here()));
    cases.add(
        "{disp32} jmp 1f; ret; 1: ret",
        a -> {
          var label = a.label();
          a.jmp(label);
          a.ret();
          a.bind(label);
          a.ret();
        });
    for (int between : new int[] {126, 127}) {
      cases.add(
          "1: .fill " + between + ", 1, 0x90; jmp 1b",
          a -> {
            var label = a.here();
            for (int i = 0; i < between; i++) {
              a.nop();
            }
            a.jmp(label);
          });
    }
    cases.add(
        "call 1f; ret; 1: ret",
        a -> {
          var label = a.label();
          a.call(label);
          a.ret();
          a.bind(label);
          a.ret();
        });
    cases.add("call rax", a -> a.call(RAX));
    cases.add("call r11", a -> a.call(R11));
    cases.add("ret", Assembler::ret);
  }

  private static void addOthers(Cases cases) {
    cases.add("nop", Assembler::nop);
    cases.add("cpuid", Assembler::cpuid);
    cases.add("xgetbv", Assembler::xgetbv);
    cases.add("prefetcht0 [rsi+512]", a -> a.prefetcht0(Address.of(RSI, 512)));
    cases.add("prefetcht1 [r12]", a -> a.prefetcht1(Address.of(R12)));
    cases.add("prefetcht2 [rax+r9*8]", a -> a.prefetcht2(Address.at(RAX, R9, 8)));
    cases.add("prefetchnta [rbp]", a -> a.prefetchnta(Address.of(RBP)));
    cases.add("prefetchw [r8+64]", a -> a.prefetchw(Address.of(R8, 64)));
  }
}
