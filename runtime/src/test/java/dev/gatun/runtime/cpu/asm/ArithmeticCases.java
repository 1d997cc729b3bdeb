package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R11;
import static dev.gatun.runtime.cpu.asm.Gp.R12;
import static dev.gatun.runtime.cpu.asm.Gp.R14;
import static dev.gatun.runtime.cpu.asm.Gp.R9;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Mask.K1;
import static dev.gatun.runtime.cpu.asm.Mask.K2;
import static dev.gatun.runtime.cpu.asm.Mask.K5;
import static dev.gatun.runtime.cpu.asm.Mask.K6;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

final class ArithmeticCases {
  private ArithmeticCases() {}

  private interface OfZmm {
    void emit(Assembler a, Zmm destination, Zmm first, ZmmOrMemory second);
  }

  private interface OfYmm {
    void emit(Assembler a, Ymm destination, Ymm first, YmmOrMemory second);
  }

  static void addTo(Cases cases) {
    add(cases, "vaddps", Assembler::vaddps);
    add(cases, "vsubps", Assembler::vsubps);
    add(cases, "vmulps", Assembler::vmulps);
    add(cases, "vdivps", Assembler::vdivps);
    add(cases, "vmaxps", Assembler::vmaxps);
    add(cases, "vminps", Assembler::vminps);
    add(cases, "vfmadd231ps", Assembler::vfmadd231ps);
    add(cases, "vfmadd213ps", Assembler::vfmadd213ps);
    add(cases, "vfnmadd231ps", Assembler::vfnmadd231ps);
    add(cases, "vscalefps", Assembler::vscalefps);
    add(cases, "vcvtne2ps2bf16", Assembler::vcvtne2ps2bf16);
    add(cases, "vdpbf16ps", Assembler::vdpbf16ps);
    add(cases, "vpdpbusd", Assembler::vpdpbusd);
    add(cases, "vpaddd", Assembler::vpaddd);
    add(cases, "vpmaxud", Assembler::vpmaxud);
    add(cases, "vpandd", Assembler::vpandd);
    add(cases, "vpord", Assembler::vpord);
    add(cases, "vpxord", Assembler::vpxord);
    addYmm(cases, "vaddps", Assembler::vaddps);
    addYmm(cases, "vsubps", Assembler::vsubps);
    addYmm(cases, "vmulps", Assembler::vmulps);
    addYmm(cases, "vdivps", Assembler::vdivps);
    addYmm(cases, "vmaxps", Assembler::vmaxps);
    addYmm(cases, "vminps", Assembler::vminps);
    addYmm(cases, "vfmadd231ps", Assembler::vfmadd231ps);
    addYmm(cases, "vfmadd213ps", Assembler::vfmadd213ps);
    addYmm(cases, "vfnmadd231ps", Assembler::vfnmadd231ps);
    addYmm(cases, "vxorps", Assembler::vxorps);
    addYmm(cases, "vpaddd", Assembler::vpaddd);
    addBytes(cases);
    addConversions(cases);
    addShifts(cases);
  }

  private static void add(Cases cases, String name, OfZmm emit) {
    cases.add(name + " zmm1, zmm2, zmm3", a -> emit.emit(a, zmm(1), zmm(2), zmm(3)));
    cases.add(name + " zmm9, zmm10, zmm11", a -> emit.emit(a, zmm(9), zmm(10), zmm(11)));
    cases.add(name + " zmm17, zmm26, zmm31", a -> emit.emit(a, zmm(17), zmm(26), zmm(31)));
    cases.add(
        name + " zmm4{k5}{z}, zmm20, zmm6", a -> emit.emit(a, zmm(4).zeroing(K5), zmm(20), zmm(6)));
    var memory = Address.at(RAX, R14, 2, 192);
    cases.add(name + " zmm8, zmm7, %s", memory, a -> emit.emit(a, zmm(8), zmm(7), memory));
    var one = Address.of(R12, -4).broadcasting();
    cases.add(name + " zmm25, zmm16, %s", one, a -> emit.emit(a, zmm(25), zmm(16), one));
    cases.add(
        name + " zmm5{k6}, zmm0, %s", one, a -> emit.emit(a, zmm(5).merging(K6), zmm(0), one));
  }

  private static void addYmm(Cases cases, String name, OfYmm emit) {
    cases.add(name + " ymm1, ymm2, ymm3", a -> emit.emit(a, ymm(1), ymm(2), ymm(3)));
    cases.add(name + " ymm9, ymm10, ymm11", a -> emit.emit(a, ymm(9), ymm(10), ymm(11)));
    cases.add(name + " ymm1, ymm20, ymm3", a -> emit.emit(a, ymm(1), ymm(20), ymm(3)));
    cases.add(name + " ymm1, ymm2, ymm30", a -> emit.emit(a, ymm(1), ymm(2), ymm(30)));
    // as would shorten it by exchanging the sources where it may
    cases.add("{vex3} " + name + " ymm1, ymm2, ymm9", a -> emit.emit(a, ymm(1), ymm(2), ymm(9)));
    cases.add(
        name + " ymm12, ymm13, [rsi+32]", a -> emit.emit(a, ymm(12), ymm(13), Address.of(RSI, 32)));
    cases.add(
        name + " ymm2, ymm13, [r9+r10*4]",
        a -> emit.emit(a, ymm(2), ymm(13), Address.at(R9, R10, 4)));
    cases.add(
        name + " ymm17, ymm13, [rsi+32]", a -> emit.emit(a, ymm(17), ymm(13), Address.of(RSI, 32)));
    cases.add(
        name + " ymm2, ymm13, [rsi+32]{1to8}",
        a -> emit.emit(a, ymm(2), ymm(13), Address.of(RSI, 32).broadcasting()));
  }

  private static void addBytes(Cases cases) {
    var memory = Address.of(RSI, 32);
    // without {vex}, as takes the form of AVX-512
    cases.add("{vex} vpdpbusd ymm1, ymm2, ymm3", a -> a.vpdpbusd(ymm(1), ymm(2), ymm(3)));
    cases.add("{vex} vpdpbusd ymm9, ymm10, ymm11", a -> a.vpdpbusd(ymm(9), ymm(10), ymm(11)));
    cases.add("{vex} vpdpbusd ymm12, ymm13, %s", memory, a -> a.vpdpbusd(ymm(12), ymm(13), memory));
    cases.add("vpdpbusd ymm1, ymm20, ymm3", a -> a.vpdpbusd(ymm(1), ymm(20), ymm(3)));
    cases.add("vpmaddwd ymm1, ymm2, ymm3", a -> a.vpmaddwd(ymm(1), ymm(2), ymm(3)));
    cases.add("vpmaddwd ymm9, ymm10, ymm11", a -> a.vpmaddwd(ymm(9), ymm(10), ymm(11)));
    cases.add("vpmaddwd ymm12, ymm13, %s", memory, a -> a.vpmaddwd(ymm(12), ymm(13), memory));
    cases.add("vpmaddwd ymm1, ymm2, ymm30", a -> a.vpmaddwd(ymm(1), ymm(2), ymm(30)));
    cases.add("vpmaddwd ymm17, ymm2, %s", memory, a -> a.vpmaddwd(ymm(17), ymm(2), memory));
  }

  private static void addConversions(Cases cases) {
    var memory = Address.of(R11, 640);
    var one = Address.of(R11, 16).broadcasting();
    cases.add("vcvtneps2bf16 ymm1, zmm2", a -> a.vcvtneps2bf16(ymm(1), zmm(2)));
    cases.add("vcvtneps2bf16 ymm31, zmm18", a -> a.vcvtneps2bf16(ymm(31), zmm(18)));
    cases.add("vcvtneps2bf16 ymm1{k1}{z}, zmm2", a -> a.vcvtneps2bf16(ymm(1).zeroing(K1), zmm(2)));
    cases.add("vcvtneps2bf16 ymm7, zmmword ptr %s", memory, a -> a.vcvtneps2bf16(ymm(7), memory));
    cases.add("vcvtneps2bf16 ymm7, %s", one, a -> a.vcvtneps2bf16(ymm(7), one));
    cases.add("vrcp14ps zmm1, zmm2", a -> a.vrcp14ps(zmm(1), zmm(2)));
    cases.add("vrcp14ps zmm17, %s", memory, a -> a.vrcp14ps(zmm(17), memory));
    cases.add("vrcp14ps zmm8, %s", one, a -> a.vrcp14ps(zmm(8), one));
    cases.add("vsqrtps zmm1, zmm2", a -> a.vsqrtps(zmm(1), zmm(2)));
    cases.add("vsqrtps zmm17, %s", memory, a -> a.vsqrtps(zmm(17), memory));
    cases.add("vsqrtps zmm8, %s", one, a -> a.vsqrtps(zmm(8), one));
    cases.add("vcvtps2dq zmm1, zmm2", a -> a.vcvtps2dq(zmm(1), zmm(2)));
    cases.add("vcvtps2dq zmm16, %s", memory, a -> a.vcvtps2dq(zmm(16), memory));
    cases.add("vcvtdq2ps zmm1, zmm22", a -> a.vcvtdq2ps(zmm(1), zmm(22)));
    cases.add("vcvtdq2ps zmm6, %s", one, a -> a.vcvtdq2ps(zmm(6), one));
    cases.add("vrndscaleps zmm1, zmm2, 0", a -> a.vrndscaleps(zmm(1), zmm(2), 0));
    cases.add("vrndscaleps zmm19, zmm28, 8", a -> a.vrndscaleps(zmm(19), zmm(28), 8));
    cases.add("vrndscaleps zmm1, %s, 9", memory, a -> a.vrndscaleps(zmm(1), memory, 9));
    cases.add("vrndscaleps zmm1, %s, 11", one, a -> a.vrndscaleps(zmm(1), one, 11));
  }

  private static void addShifts(Cases cases) {
    cases.add("vpslld zmm1, zmm2, 16", a -> a.vpslld(zmm(1), zmm(2), 16));
    cases.add("vpslld zmm17, zmm31, 23", a -> a.vpslld(zmm(17), zmm(31), 23));
    cases.add("vpslld zmm9{k2}{z}, zmm10, 1", a -> a.vpslld(zmm(9).zeroing(K2), zmm(10), 1));
    cases.add("vpsrld zmm1, zmm2, 16", a -> a.vpsrld(zmm(1), zmm(2), 16));
    cases.add("vpsllw ymm1, ymm2, 8", a -> a.vpsllw(ymm(1), ymm(2), 8));
    cases.add("vpsllw ymm12, ymm13, 1", a -> a.vpsllw(ymm(12), ymm(13), 1));
    cases.add("vpsllw ymm1, ymm18, 8", a -> a.vpsllw(ymm(1), ymm(18), 8));
    cases.add("vpsraw ymm1, ymm2, 8", a -> a.vpsraw(ymm(1), ymm(2), 8));
    cases.add("vpsraw ymm2, ymm13, 15", a -> a.vpsraw(ymm(2), ymm(13), 15));
    cases.add("vpsraw ymm28, ymm3, 8", a -> a.vpsraw(ymm(28), ymm(3), 8));
    cases.add("vpsrld zmm27, zmm12, 31", a -> a.vpsrld(zmm(27), zmm(12), 31));
  }
}
