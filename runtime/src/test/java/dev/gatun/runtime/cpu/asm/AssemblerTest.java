package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RBX;
import static dev.gatun.runtime.cpu.asm.Gp.RSP;
import static dev.gatun.runtime.cpu.asm.Mask.K0;
import static dev.gatun.runtime.cpu.asm.Mask.K1;
import static dev.gatun.runtime.cpu.asm.Tile.tmm;
import static dev.gatun.runtime.cpu.asm.Xmm.xmm;
import static dev.gatun.runtime.cpu.asm.Ymm.ymm;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Labels, constants, and what is refused. */
class AssemblerTest {
  @Test
  void aLabelMustBeBound() {
    var a = new Assembler();
    var label = a.label();
    a.jmp(label);
    var refused = assertThrows(IllegalStateException.class, a::code);
    assertTrue(refused.getMessage().contains("byte 1 is not bound"), refused::getMessage);
    a.bind(label);
    assertArrayEquals(new byte[] {(byte) 0xE9, 0, 0, 0, 0}, a.code());
  }

  @Test
  void aLabelIsBoundOnce() {
    var a = new Assembler();
    var label = a.here();
    assertThrows(IllegalArgumentException.class, () -> a.bind(label));
  }

  @Test
  void aLabelThatNobodyUsesNeedNotBeBound() {
    var a = new Assembler();
    a.label();
    a.ret();
    assertEquals(1, a.code().length);
  }

  @Test
  void labelsBelongToOneAssembler() {
    var strange = new Assembler().here();
    refused(a -> a.bind(new Assembler().label()));
    refused(a -> a.jmp(strange));
    refused(a -> a.call(strange));
    refused(a -> a.lea(RAX, Address.of(strange)));
  }

  @Test
  void aPlaceOutOfReachIsRefused() {
    var a = new Assembler();
    var label = a.here();
    a.nop();
    a.lea(RAX, Address.of(label).plus(Integer.MIN_VALUE));
    assertThrows(IllegalStateException.class, a::code);
    assertThrows(ArithmeticException.class, () -> Address.of(RAX, Integer.MAX_VALUE).plus(1));
  }

  @Test
  void codeMayGrow() {
    var a = new Assembler();
    var start = a.here();
    var end = a.label();
    a.j(Condition.EQUAL, end);
    for (int i = 0; i < 100_000; i++) {
      a.nop();
    }
    a.jmp(start);
    a.bind(end);
    var code = ByteBuffer.wrap(a.code()).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(100_005, code.getInt(2));
    assertEquals(-100_011, code.getInt(code.limit() - 4));
    assertEquals(a.size(), code.limit());
  }

  @Test
  void codeIsACopy() {
    var a = new Assembler();
    a.nop();
    a.code()[0] = 0;
    assertEquals((byte) 0x90, a.code()[0]);
  }

  @Test
  void alignmentsAndConstants() {
    for (int before = 0; before < 70; before++) {
      var a = new Assembler();
      for (int i = 0; i < before; i++) {
        a.nop();
      }
      a.align(64);
      assertEquals((before + 63) / 64 * 64, a.size());
      a.data(-2, 7);
      a.data(1.5f);
      var code = ByteBuffer.wrap(a.code()).order(ByteOrder.LITTLE_ENDIAN);
      assertEquals(-2, code.getInt(a.size() - 12));
      assertEquals(7, code.getInt(a.size() - 8));
      assertEquals(1.5f, code.getFloat(a.size() - 4));
    }
    refused(a -> a.align(0));
    refused(a -> a.align(24));
    refused(a -> a.align(8192));
  }

  @Test
  void registersThatAreNot() {
    refused(a -> zmm(32));
    refused(a -> ymm(-1));
    refused(a -> xmm(32));
    refused(a -> tmm(8));
    refused(a -> zmm(1).merging(K0));
    refused(a -> zmm(1).zeroing(K0));
    refused(a -> new Ymm(1, K0, true));
    refused(a -> Address.of(RAX).merging(K0));
  }

  @Test
  void addressesThatAreNot() {
    refused(a -> Address.at(RAX, RSP, 1));
    refused(a -> Address.at(RAX, RBX, 3));
    refused(a -> Address.at(RAX, RBX, 16));
    refused(a -> new Address(null, null, 1, 0, null, false, K0));
    assertThrows(NullPointerException.class, () -> Address.of((Gp) null));
  }

  @Test
  void masksOnSources() {
    refused(a -> a.vaddps(zmm(0), zmm(1).merging(K1), zmm(2)));
    refused(a -> a.vaddps(zmm(0), zmm(1), zmm(2).zeroing(K1)));
    refused(a -> a.vaddps(zmm(0), zmm(1), Address.of(RAX).merging(K1)));
    refused(a -> a.vmovups(zmm(0), Address.of(RAX).merging(K1)));
    refused(a -> a.vmovups(Address.of(RAX), zmm(0).merging(K1)));
    refused(a -> a.vpslld(zmm(0), zmm(1).merging(K1), 3));
    refused(a -> a.vmovntps(Address.of(RAX).merging(K1), zmm(0)));
    refused(a -> a.mov(Address.of(RAX).merging(K1), RBX));
    refused(a -> a.tilestored(Address.at(RAX, RBX, 1).merging(K1), tmm(0)));
  }

  @Test
  void broadcastsThatAreNot() {
    refused(a -> a.vmovups(zmm(0), Address.of(RAX).broadcasting()));
    refused(a -> a.vmovups(Address.of(RAX).broadcasting(), zmm(0)));
    refused(a -> a.vbroadcastss(zmm(0), Address.of(RAX).broadcasting()));
    refused(a -> a.vpermw(zmm(0), zmm(1), Address.of(RAX).broadcasting()));
    refused(a -> a.add(RAX, Address.of(RAX).broadcasting()));
    refused(a -> a.tileloadd(tmm(0), Address.at(RAX, RBX, 1).broadcasting()));
  }

  @Test
  void immediatesThatDoNotFit() {
    refused(a -> a.shl(RAX, 64));
    refused(a -> a.sar(RAX, -1));
    refused(a -> a.vpslld(zmm(0), zmm(1), 256));
    refused(a -> a.vpsrld(zmm(0), zmm(1), -1));
    refused(a -> a.vshuff32x4(zmm(0), zmm(1), zmm(2), 256));
    refused(a -> a.vrndscaleps(zmm(0), zmm(1), -1));
  }

  @Test
  void tilesThatNoProcessorMultiplies() {
    refused(a -> a.tdpbf16ps(tmm(1), tmm(1), tmm(2)));
    refused(a -> a.tdpbusd(tmm(1), tmm(2), tmm(1)));
    refused(a -> a.tdpbssd(tmm(1), tmm(2), tmm(2)));
    refused(a -> a.tileloadd(tmm(1), Address.of(RAX)));
  }

  /** An instruction that is refused leaves nothing behind. */
  private static void refused(Consumer<Assembler> calls) {
    var a = new Assembler();
    assertThrows(IllegalArgumentException.class, () -> calls.accept(a));
    assertEquals(0, a.size());
  }
}
