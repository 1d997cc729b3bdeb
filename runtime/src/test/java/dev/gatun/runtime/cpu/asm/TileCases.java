package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.R12;
import static dev.gatun.runtime.cpu.asm.Gp.R13;
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
import static dev.gatun.runtime.cpu.asm.Tile.tmm;

final class TileCases {
  private TileCases() {}

  static void addTo(Cases cases) {
    cases.add("ldtilecfg [rdi]", a -> a.ldtilecfg(Address.of(RDI)));
    cases.add("ldtilecfg [r12+64]", a -> a.ldtilecfg(Address.of(R12, 64)));
    cases.add("ldtilecfg [rsp-64]", a -> a.ldtilecfg(Address.of(RSP, -64)));
    cases.add("sttilecfg [rsi]", a -> a.sttilecfg(Address.of(RSI)));
    cases.add("sttilecfg [r13+r9*8]", a -> a.sttilecfg(Address.at(R13, R9, 8)));
    cases.add("tilerelease", Assembler::tilerelease);
    for (int i = 0; i < 8; i++) {
      int t = i;
      int second = (t + 1) % 8;
      int third = (t + 5) % 8;
      cases.add("tilezero tmm" + t, a -> a.tilezero(tmm(t)));
      cases.add("tileloadd tmm" + t + ", [rsi+rax*1]", a -> a.tileloadd(tmm(t), at(RSI, RAX, 0)));
      var operands = " tmm" + t + ", tmm" + second + ", tmm" + third;
      cases.add("tdpbf16ps" + operands, a -> a.tdpbf16ps(tmm(t), tmm(second), tmm(third)));
      cases.add("tdpbusd" + operands, a -> a.tdpbusd(tmm(t), tmm(second), tmm(third)));
      cases.add("tdpbssd" + operands, a -> a.tdpbssd(tmm(t), tmm(second), tmm(third)));
    }
    for (int displacement : new int[] {0, 64, 1024, -8192}) {
      for (var base : new Gp[] {RBX, RBP, RSP, R8, R12, R13}) {
        var near = at(base, R15, displacement);
        cases.add("tileloadd tmm3, %s", near, a -> a.tileloadd(tmm(3), near));
        var other = at(base, RCX, displacement);
        cases.add("tileloaddt1 tmm4, %s", other, a -> a.tileloaddt1(tmm(4), other));
        cases.add("tilestored %s, tmm7", other, a -> a.tilestored(other, tmm(7)));
      }
    }
    cases.add("tileloadd tmm1, [rax+rdx*8]", a -> a.tileloadd(tmm(1), Address.at(RAX, RDX, 8)));
  }

  private static Address at(Gp base, Gp index, int displacement) {
    return Address.at(base, index, 1, displacement);
  }
}
