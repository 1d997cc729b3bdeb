package dev.gatun.runtime.cpu.asm;

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
import static dev.gatun.runtime.cpu.asm.Mask.K0;
import static dev.gatun.runtime.cpu.asm.Mask.K1;
import static dev.gatun.runtime.cpu.asm.Mask.K2;
import static dev.gatun.runtime.cpu.asm.Mask.K3;
import static dev.gatun.runtime.cpu.asm.Mask.K4;
import static dev.gatun.runtime.cpu.asm.Mask.K5;
import static dev.gatun.runtime.cpu.asm.Mask.K7;
import static dev.gatun.runtime.cpu.asm.Xmm.xmm;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

final class MoveCases {
  private MoveCases() {}

  static void addTo(Cases cases) {
    addAddresses(cases);
    addRegisters(cases);
    addLoadsAndStores(cases);
    addMasked(cases);
    addBroadcasts(cases);
    addPermutations(cases);
    addMasks(cases);
  }

  /** Displacements that are compressed, and that cannot be. */
  private static void addAddresses(Cases cases) {
    int[] displacements = {0, 1, 32, 64, -64, 8128, 8192, -8192, -8256, 100, 4064};
    for (int displacement : displacements) {
      for (var base : new Gp[] {RAX, RSP, RBP, R12, R13}) {
        var address = Address.of(base, displacement);
        cases.add("vmovups zmm7, %s", address, a -> a.vmovups(zmm(7), address));
      }
      var indexed = Address.at(R13, R15, 8, displacement);
      cases.add("vmovups zmm30, %s", indexed, a -> a.vmovups(zmm(30), indexed));
      cases.add("vmovups ymm6, %s", indexed, a -> a.vmovups(ymm(6), indexed));
      cases.add("vmovups ymm22, %s", indexed, a -> a.vmovups(ymm(22), indexed));
    }
    for (int scale : new int[] {1, 2, 4, 8}) {
      var address = Address.at(RDX, RBP, scale, 64);
      cases.add("vmovups %s, zmm31", address, a -> a.vmovups(address, zmm(31)));
    }
    for (int displacement : new int[] {4, 508, 512, -512, -516, 6}) {
      var address = Address.of(R8, displacement);
      cases.add("vbroadcastss zmm4, %s", address, a -> a.vbroadcastss(zmm(4), address));
      var one = address.broadcasting();
      cases.add("vaddps zmm4, zmm5, %s", one, a -> a.vaddps(zmm(4), zmm(5), one));
    }
    for (int displacement : new int[] {32, 4064, 4096, 16}) {
      var address = Address.of(RCX, displacement);
      cases.add("vpmovzxwd zmm4, %s", address, a -> a.vpmovzxwd(zmm(4), address));
    }
    cases.add(
        "vmovups zmm1, [rip+1f]; ret; 1: ret",
        a -> {
          var label = a.label();
          a.vmovups(zmm(1), Address.of(label));
          a.ret();
          a.bind(label);
          a.ret();
        });
    cases.add(
        "vshuff32x4 zmm1, zmm2, [rip+1f+64], 78; ret; 1: ret",
        a -> {
          var label = a.label();
          a.vshuff32x4(zmm(1), zmm(2), Address.of(label).plus(64), 78);
          a.ret();
          a.bind(label);
          a.ret();
        });
  }

  private static void addRegisters(Cases cases) {
    for (int i = 0; i < 32; i++) {
      int n = i;
      int other = 31 - i;
      cases.add("vmovaps zmm" + n + ", zmm" + other, a -> a.vmovaps(zmm(n), zmm(other)));
      cases.add(
          "vpxord zmm" + n + ", zmm" + n + ", zmm" + n, a -> a.vpxord(zmm(n), zmm(n), zmm(n)));
    }
  }

  private static void addLoadsAndStores(Cases cases) {
    var load = Address.at(RSI, R9, 4, 128);
    var store = Address.of(R10, -64);
    cases.add("vmovups ymm1, %s", load, a -> a.vmovups(ymm(1), load));
    cases.add("vmovups ymm9, [rax]", a -> a.vmovups(ymm(9), Address.of(RAX)));
    cases.add("vmovups %s, ymm15", store, a -> a.vmovups(store, ymm(15)));
    cases.add("vmovups %s, ymm16", store, a -> a.vmovups(store, ymm(16)));
    cases.add("vmovups [rdi], ymm0", a -> a.vmovups(Address.of(RDI), ymm(0)));
    cases.add("vmovups %s, zmm0", store, a -> a.vmovups(store, zmm(0)));
    cases.add("vmovdqu8 zmm1, %s", load, a -> a.vmovdqu8(zmm(1), load));
    cases.add("vmovdqu16 zmm17, %s", load, a -> a.vmovdqu16(zmm(17), load));
    cases.add("vmovdqu32 zmm1, %s", load, a -> a.vmovdqu32(zmm(1), load));
    cases.add("vmovdqu64 zmm17, %s", load, a -> a.vmovdqu64(zmm(17), load));
    cases.add("vmovdqu8 %s, zmm18", store, a -> a.vmovdqu8(store, zmm(18)));
    cases.add("vmovdqu16 %s, zmm2", store, a -> a.vmovdqu16(store, zmm(2)));
    cases.add("vmovdqu32 %s, zmm18", store, a -> a.vmovdqu32(store, zmm(18)));
    cases.add("vmovdqu64 %s, zmm2", store, a -> a.vmovdqu64(store, zmm(2)));
    cases.add("vmovdqu8 ymm1, %s", load, a -> a.vmovdqu8(ymm(1), load));
    cases.add("vmovdqu16 ymm17, %s", load, a -> a.vmovdqu16(ymm(17), load));
    cases.add("vmovdqu32 ymm1, %s", load, a -> a.vmovdqu32(ymm(1), load));
    cases.add("vmovdqu64 ymm17, %s", load, a -> a.vmovdqu64(ymm(17), load));
    cases.add("vmovdqu8 %s, ymm18", store, a -> a.vmovdqu8(store, ymm(18)));
    cases.add("vmovdqu16 %s, ymm2", store, a -> a.vmovdqu16(store, ymm(2)));
    cases.add("vmovdqu32 %s, ymm18", store, a -> a.vmovdqu32(store, ymm(18)));
    cases.add("vmovdqu64 %s, ymm2", store, a -> a.vmovdqu64(store, ymm(2)));
    cases.add("vmovntps %s, zmm3", store, a -> a.vmovntps(store, zmm(3)));
    cases.add("vmovntps %s, zmm29", load, a -> a.vmovntps(load, zmm(29)));
    cases.add("vmovntps %s, ymm3", store, a -> a.vmovntps(store, ymm(3)));
    cases.add("vmovntps %s, ymm19", store, a -> a.vmovntps(store, ymm(19)));
  }

  private static void addMasked(Cases cases) {
    var memory = Address.of(RBX, 64);
    for (var k : Mask.values()) {
      if (k != K0) {
        var name = "k" + k.ordinal();
        cases.add(
            "vmovups zmm1{" + name + "}{z}, [rbx+64]", a -> a.vmovups(zmm(1).zeroing(k), memory));
        cases.add("vmovups %s, zmm1", memory.merging(k), a -> a.vmovups(memory.merging(k), zmm(1)));
      }
    }
    cases.add("vmovups zmm30{k2}, [rbx+64]", a -> a.vmovups(zmm(30).merging(K2), memory));
    cases.add("vmovups ymm3{k1}{z}, [rbx+64]", a -> a.vmovups(ymm(3).zeroing(K1), memory));
    cases.add("vmovups [rbx+64]{k1}, ymm3", a -> a.vmovups(memory.merging(K1), ymm(3)));
    cases.add("vmovdqu8 zmm1{k1}{z}, [rbx+64]", a -> a.vmovdqu8(zmm(1).zeroing(K1), memory));
    cases.add("vmovdqu8 [rbx+64]{k7}, zmm21", a -> a.vmovdqu8(memory.merging(K7), zmm(21)));
    cases.add("vmovdqu16 zmm1{k1}{z}, [rbx+64]", a -> a.vmovdqu16(zmm(1).zeroing(K1), memory));
    cases.add("vmovdqu16 [rbx+64]{k7}, zmm21", a -> a.vmovdqu16(memory.merging(K7), zmm(21)));
    cases.add("vmovdqu16 ymm1{k1}{z}, [rbx+64]", a -> a.vmovdqu16(ymm(1).zeroing(K1), memory));
    cases.add("vmovdqu16 [rbx+64]{k7}, ymm21", a -> a.vmovdqu16(memory.merging(K7), ymm(21)));
    cases.add("vmovdqu32 zmm1{k1}, [rbx+64]", a -> a.vmovdqu32(zmm(1).merging(K1), memory));
    cases.add("vmovdqu32 [rbx+64]{k7}, zmm21", a -> a.vmovdqu32(memory.merging(K7), zmm(21)));
    cases.add("vmovdqu64 zmm1{k1}, [rbx+64]", a -> a.vmovdqu64(zmm(1).merging(K1), memory));
    cases.add("vmovdqu64 [rbx+64]{k7}, zmm21", a -> a.vmovdqu64(memory.merging(K7), zmm(21)));
    cases.add("vmovaps zmm1{k3}, zmm2", a -> a.vmovaps(zmm(1).merging(K3), zmm(2)));
    cases.add("vpmovzxwd zmm1{k3}{z}, [rbx+64]", a -> a.vpmovzxwd(zmm(1).zeroing(K3), memory));
  }

  private static void addBroadcasts(Cases cases) {
    cases.add("vbroadcastss zmm0, [rax]", a -> a.vbroadcastss(zmm(0), Address.of(RAX)));
    cases.add("vbroadcastss zmm31, [r13]", a -> a.vbroadcastss(zmm(31), Address.of(R13)));
    cases.add("vbroadcastss ymm9, [rax+4]", a -> a.vbroadcastss(ymm(9), Address.of(RAX, 4)));
    cases.add("vbroadcastss ymm19, [rax+4]", a -> a.vbroadcastss(ymm(19), Address.of(RAX, 4)));
    cases.add("vbroadcastss zmm3, xmm9", a -> a.vbroadcastss(zmm(3), xmm(9)));
    cases.add("vbroadcastss zmm30, xmm31", a -> a.vbroadcastss(zmm(30), xmm(31)));
    cases.add("vbroadcastss ymm3, xmm14", a -> a.vbroadcastss(ymm(3), xmm(14)));
    cases.add("vbroadcastss ymm3, xmm30", a -> a.vbroadcastss(ymm(3), xmm(30)));
    cases.add("vpbroadcastd zmm1, eax", a -> a.vpbroadcastd(zmm(1), RAX));
    cases.add("vpbroadcastd zmm25, r13d", a -> a.vpbroadcastd(zmm(25), R13));
    cases.add("vpbroadcastd zmm5{k1}{z}, edi", a -> a.vpbroadcastd(zmm(5).zeroing(K1), RDI));
    for (int displacement : new int[] {0, 16, 2032, 2048, 24}) {
      var address = Address.of(R8, displacement);
      cases.add("vpmovdb %s, zmm4", address, a -> a.vpmovdb(address, zmm(4)));
    }
    var narrow = Address.at(R10, RAX, 1, 48);
    cases.add("vpmovdb %s, zmm31", narrow, a -> a.vpmovdb(narrow, zmm(31)));
    cases.add(
        "vpmovdb [rbx+16]{k4}, zmm7", a -> a.vpmovdb(Address.of(RBX, 16).merging(K4), zmm(7)));
    cases.add("vpmovzxwd zmm1, ymm2", a -> a.vpmovzxwd(zmm(1), ymm(2)));
    cases.add("vpmovzxwd zmm17, ymm24", a -> a.vpmovzxwd(zmm(17), ymm(24)));
  }

  private static void addPermutations(Cases cases) {
    var memory = Address.of(RDX, 256);
    cases.add("vpermw zmm1, zmm2, zmm3", a -> a.vpermw(zmm(1), zmm(2), zmm(3)));
    cases.add("vpermw zmm16, zmm17, zmm18", a -> a.vpermw(zmm(16), zmm(17), zmm(18)));
    cases.add("vpermw zmm1, zmm2, %s", memory, a -> a.vpermw(zmm(1), zmm(2), memory));
    cases.add("vpermd zmm1, zmm2, zmm3", a -> a.vpermd(zmm(1), zmm(2), zmm(3)));
    cases.add("vpermd zmm1, zmm2, %s", memory, a -> a.vpermd(zmm(1), zmm(2), memory));
    cases.add("vpermt2w zmm1, zmm22, zmm3", a -> a.vpermt2w(zmm(1), zmm(22), zmm(3)));
    cases.add("vpermt2w zmm1, zmm2, %s", memory, a -> a.vpermt2w(zmm(1), zmm(2), memory));
    cases.add("vpermt2d zmm1, zmm2, zmm23", a -> a.vpermt2d(zmm(1), zmm(2), zmm(23)));
    cases.add("vpermt2d zmm1, zmm2, %s", memory, a -> a.vpermt2d(zmm(1), zmm(2), memory));
    cases.add("vpunpcklwd zmm1, zmm2, zmm3", a -> a.vpunpcklwd(zmm(1), zmm(2), zmm(3)));
    cases.add("vpunpcklwd zmm19, zmm2, %s", memory, a -> a.vpunpcklwd(zmm(19), zmm(2), memory));
    cases.add("vpunpckhwd zmm1, zmm2, zmm3", a -> a.vpunpckhwd(zmm(1), zmm(2), zmm(3)));
    cases.add("vpunpckhwd zmm1, zmm20, %s", memory, a -> a.vpunpckhwd(zmm(1), zmm(20), memory));
    cases.add("vshuff32x4 zmm1, zmm2, zmm3, 0", a -> a.vshuff32x4(zmm(1), zmm(2), zmm(3), 0));
    cases.add(
        "vshuff32x4 zmm21, zmm22, zmm23, 238", a -> a.vshuff32x4(zmm(21), zmm(22), zmm(23), 238));
    cases.add(
        "vshuff32x4 zmm1, zmm2, %s, 78", memory, a -> a.vshuff32x4(zmm(1), zmm(2), memory, 78));
  }

  private static void addMasks(Cases cases) {
    cases.add("kmovw k1, eax", a -> a.kmovw(K1, RAX));
    cases.add("kmovw k7, r12d", a -> a.kmovw(K7, R12));
    cases.add("kmovd k2, ecx", a -> a.kmovd(K2, RCX));
    cases.add("kmovd k3, r8d", a -> a.kmovd(K3, R8));
    cases.add("kmovq k4, rdi", a -> a.kmovq(K4, RDI));
    cases.add("kmovq k5, r15", a -> a.kmovq(K5, R15));
    cases.add("kxnorw k1, k1, k1", a -> a.kxnorw(K1, K1, K1));
    cases.add("kxnorw k0, k2, k7", a -> a.kxnorw(K0, K2, K7));
    cases.add("bzhi rax, rbx, rcx", a -> a.bzhi(RAX, RBX, RCX));
    cases.add("bzhi r9, r14, r11", a -> a.bzhi(R9, R14, R11));
    cases.add("vzeroupper", Assembler::vzeroupper);
  }
}
