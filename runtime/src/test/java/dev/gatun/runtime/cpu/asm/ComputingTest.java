package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Mask.K1;
import static dev.gatun.runtime.cpu.asm.Tile.tmm;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.bindings.code.SystemCalls;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Assembled code that computes, where the processor can. */
@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
@DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
class ComputingTest {
  @Test
  void tilesMultiply() throws Throwable {
    assumeTrue(Cpuid.features().amxBf16() && SystemCalls.requestTiles(), "no AMX");
    // multiply(configuration, a, b, c): c[16][16] = a[16][32] b[16][16][2], rows of 64 bytes
    var a = new Assembler();
    a.ldtilecfg(Address.of(RDI));
    a.mov(RAX, 64);
    a.tilezero(tmm(0));
    a.tileloadd(tmm(1), Address.at(RSI, RAX, 1));
    a.tileloadd(tmm(2), Address.at(RDX, RAX, 1));
    a.tdpbf16ps(tmm(0), tmm(1), tmm(2));
    a.tilestored(Address.at(RCX, RAX, 1), tmm(0));
    a.tilerelease();
    a.ret();
    var type = FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    try (var memory = ExecutableMemory.of(a.code());
        var arena = Arena.ofConfined()) {
      var configuration = arena.allocate(64, 64);
      configuration.set(JAVA_BYTE, 0, (byte) 1);
      for (int tile = 0; tile < 3; tile++) {
        configuration.set(JAVA_SHORT, 16 + 2 * tile, (short) 64);
        configuration.set(JAVA_BYTE, 48 + tile, (byte) 16);
      }
      var left = arena.allocate(1024, 64);
      var right = arena.allocate(1024, 64);
      var product = arena.allocate(1024, 64);
      var random = new SplittableRandom(1);
      for (int i = 0; i < 512; i++) {
        left.setAtIndex(JAVA_SHORT, i, bf16(random.nextInt(-8, 9)));
        right.setAtIndex(JAVA_SHORT, i, bf16(random.nextInt(-8, 9)));
      }
      memory.handle(0, type).invokeExact(configuration, left, right, product);
      for (int m = 0; m < 16; m++) {
        for (int n = 0; n < 16; n++) {
          float sum = 0;
          for (int k = 0; k < 32; k++) {
            sum +=
                f32(left.getAtIndex(JAVA_SHORT, m * 32 + k))
                    * f32(right.getAtIndex(JAVA_SHORT, k / 2 * 32 + n * 2 + k % 2));
          }
          assertEquals(sum, product.getAtIndex(JAVA_FLOAT, m * 16 + n), m + ", " + n);
        }
      }
    }
  }

  private static short bf16(float value) {
    return (short) (Float.floatToRawIntBits(value) >> 16);
  }

  private static float f32(short bf16) {
    return Float.intBitsToFloat(bf16 << 16);
  }

  /** y += 3 x, with a loop, a mask for the rest and a constant in the code. */
  @Test
  void vectorsAreSummed() throws Throwable {
    assumeTrue(Cpuid.features().avx512f(), "no AVX-512");
    var a = new Assembler();
    var loop = a.label();
    var rest = a.label();
    var end = a.label();
    var three = a.label();
    a.vbroadcastss(zmm(16), Address.of(three));
    a.sub(RDX, 16);
    a.j(Condition.LESS, rest);
    a.align(32);
    a.bind(loop);
    a.vmovups(zmm(17), Address.of(RDI));
    a.vfmadd231ps(zmm(17), zmm(16), Address.of(RSI));
    a.vmovups(Address.of(RDI), zmm(17));
    a.add(RDI, 64);
    a.add(RSI, 64);
    a.sub(RDX, 16);
    a.j(Condition.GREATER_OR_EQUAL, loop);
    a.bind(rest);
    a.add(RDX, 16);
    a.j(Condition.EQUAL, end);
    a.mov(RCX, RDX);
    a.mov(RAX, -1);
    a.bzhi(RAX, RAX, RCX);
    a.kmovw(K1, RAX);
    a.vmovups(zmm(17).zeroing(K1), Address.of(RDI));
    a.vmovups(zmm(18).zeroing(K1), Address.of(RSI));
    a.vfmadd231ps(zmm(17), zmm(16), zmm(18));
    a.vmovups(Address.of(RDI).merging(K1), zmm(17));
    a.bind(end);
    a.vzeroupper();
    a.ret();
    a.align(4);
    a.bind(three);
    a.data(3f);
    try (var memory = ExecutableMemory.of(a.code());
        var arena = Arena.ofConfined()) {
      var handle = memory.handle(0, FunctionDescriptor.ofVoid(ADDRESS, ADDRESS, JAVA_LONG));
      for (long count = 0; count < 70; count++) {
        var y = arena.allocate(JAVA_FLOAT, count + 1);
        var x = arena.allocate(JAVA_FLOAT, count + 1);
        for (long i = 0; i <= count; i++) {
          y.setAtIndex(JAVA_FLOAT, i, i);
          x.setAtIndex(JAVA_FLOAT, i, 2 * i + 1);
        }
        handle.invokeExact(y, x, count);
        for (long i = 0; i < count; i++) {
          assertEquals(7 * i + 3, y.getAtIndex(JAVA_FLOAT, i));
        }
        assertEquals(count, y.getAtIndex(JAVA_FLOAT, count), "beyond the end");
      }
    }
  }

  @Test
  void floatsBecomeBf16() throws Throwable {
    assumeTrue(Cpuid.features().avx512Bf16(), "no AVX-512 BF16");
    var a = new Assembler();
    a.vmovups(zmm(1), Address.of(RDI));
    a.vcvtneps2bf16(ymm(2), zmm(1));
    a.vpmovzxwd(zmm(3), ymm(2));
    a.vpslld(zmm(3), zmm(3), 16);
    a.vmovups(Address.of(RDI), zmm(3));
    a.vzeroupper();
    a.ret();
    try (var memory = ExecutableMemory.of(a.code());
        var arena = Arena.ofConfined()) {
      var values = arena.allocate(64, 64);
      var random = new SplittableRandom(2);
      var expected = new float[16];
      for (int i = 0; i < 16; i++) {
        float value = (float) random.nextDouble(-3, 3);
        values.setAtIndex(JAVA_FLOAT, i, value);
        int bits = Float.floatToRawIntBits(value);
        expected[i] = f32((short) (bits + 0x7FFF + (bits >> 16 & 1) >> 16));
      }
      memory.handle(0, FunctionDescriptor.ofVoid(ADDRESS)).invokeExact(values);
      for (int i = 0; i < 16; i++) {
        assertEquals(expected[i], values.getAtIndex(JAVA_FLOAT, i));
      }
    }
  }
}
