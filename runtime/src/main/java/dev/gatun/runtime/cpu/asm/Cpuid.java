package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.R8;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RBX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.ExecutableMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Asks the processor what it is, with instructions that Java has not: CPUID and XGETBV. */
public final class Cpuid implements CpuFeatures.Source, AutoCloseable {
  /** The four registers that CPUID fills. */
  public record Registers(int eax, int ebx, int ecx, int edx) {}

  private final ExecutableMemory memory;
  private final MethodHandle cpuid;
  private final MethodHandle xgetbv;

  /**
   * Assembles the two instructions.
   *
   * @throws CodeRefusedException if this system does not execute assembled code
   */
  public Cpuid() {
    var a = new Assembler();
    // cpuid(registers, leaf, subleaf); rbx belongs to the caller
    a.push(RBX);
    a.mov(R8, RDI);
    a.mov32(RAX, RSI);
    a.mov32(RCX, RDX);
    a.cpuid();
    a.mov32(Address.of(R8), RAX);
    a.mov32(Address.of(R8, 4), RBX);
    a.mov32(Address.of(R8, 8), RCX);
    a.mov32(Address.of(R8, 12), RDX);
    a.pop(RBX);
    a.ret();
    // xgetbv(0)
    int second = a.size();
    a.xor(RCX, RCX);
    a.xgetbv();
    a.shl(RDX, 32);
    a.or(RAX, RDX);
    a.ret();
    memory = ExecutableMemory.of(a.code());
    cpuid = memory.handle(0, FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, JAVA_INT));
    xgetbv = memory.handle(second, FunctionDescriptor.of(JAVA_LONG));
  }

  /**
   * What can be used here.
   *
   * @throws CodeRefusedException if this system does not execute assembled code
   */
  public static CpuFeatures features() {
    try (var cpuid = new Cpuid()) {
      return CpuFeatures.of(cpuid);
    }
  }

  /**
   * Who made this processor, such as {@code GenuineIntel}.
   *
   * @throws CodeRefusedException if this system does not execute assembled code
   */
  public static String vendor() {
    try (var cpuid = new Cpuid()) {
      var name = cpuid.cpuid(0, 0);
      var text = ByteBuffer.allocate(3 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      text.putInt(name.ebx()).putInt(name.edx()).putInt(name.ecx());
      return new String(text.array(), StandardCharsets.ISO_8859_1);
    }
  }

  @Override
  public Registers cpuid(int leaf, int subleaf) {
    try (var arena = Arena.ofConfined()) {
      var registers = arena.allocate(JAVA_INT, 4);
      cpuid.invokeExact(registers, leaf, subleaf);
      return new Registers(
          registers.getAtIndex(JAVA_INT, 0),
          registers.getAtIndex(JAVA_INT, 1),
          registers.getAtIndex(JAVA_INT, 2),
          registers.getAtIndex(JAVA_INT, 3));
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /** XCR0. Only for processors whose CPUID says OSXSAVE; others stop at this instruction. */
  @Override
  public long xcr0() {
    try {
      return (long) xgetbv.invokeExact();
    } catch (Throwable e) {
      throw failed(e);
    }
  }

  /** A call of closed code; nothing else fails. */
  private static RuntimeException failed(Throwable e) {
    if (e instanceof RuntimeException refused) {
      return refused;
    }
    throw new AssertionError(e);
  }

  @Override
  public void close() {
    memory.close();
  }
}
