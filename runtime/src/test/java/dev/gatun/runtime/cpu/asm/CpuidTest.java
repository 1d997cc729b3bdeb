package dev.gatun.runtime.cpu.asm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.bindings.code.SystemCalls;
import dev.gatun.runtime.cpu.asm.Cpuid.Registers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
class CpuidTest {
  private static final CpuFeatures ALL =
      new CpuFeatures(true, true, true, true, true, true, true, true, true, true, true, true);

  private static final long ALL_STATE = 0x600E7;

  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  void linuxSaysTheSame() throws IOException {
    var flags = Set.of(cpuinfo("flags").split(" "));
    assertEquals(
        new CpuFeatures(
            flags.contains("avx2"),
            flags.contains("fma"),
            flags.contains("avx_vnni"),
            flags.contains("avx512f"),
            flags.contains("avx512bw"),
            flags.contains("avx512vl"),
            flags.contains("avx512dq"),
            flags.contains("avx512_bf16"),
            flags.contains("avx512_vnni"),
            flags.contains("amx_tile"),
            flags.contains("amx_bf16"),
            flags.contains("amx_int8")),
        Cpuid.features());
  }

  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  void theVendorIsSpelledInItsRegisters() throws IOException {
    try (var cpuid = new Cpuid()) {
      var registers = cpuid.cpuid(0, 0);
      var name =
          ByteBuffer.allocate(12)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putInt(registers.ebx())
              .putInt(registers.edx())
              .putInt(registers.ecx());
      assertEquals(cpuinfo("vendor_id"), new String(name.array(), StandardCharsets.US_ASCII));
      assertEquals(registers, cpuid.cpuid(0, 0));
      assertNotEquals(0, cpuid.xcr0() & 1);
    }
  }

  private static String cpuinfo(String key) throws IOException {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.matches(key + "\\s*:.*"))
          .findFirst()
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .orElseThrow();
    }
  }

  @Test
  void aProcessorThatHasEverything() {
    assertEquals(ALL, features(7, -1, -1, ALL_STATE));
  }

  @Test
  void anOldProcessorHasNothing() {
    assertEquals(CpuFeatures.NONE, features(6, -1, -1, ALL_STATE));
    assertEquals(CpuFeatures.NONE, features(7, 0, -1, ALL_STATE));
    assertEquals(CpuFeatures.NONE, features(7, -1, 0, 0));
  }

  @Test
  void whatTheSystemDoesNotSaveIsNotThere() {
    assertEquals(CpuFeatures.NONE, features(7, -1, -1, 0x1));
    assertEquals(
        new CpuFeatures(
            true, true, true, false, false, false, false, false, false, false, false, false),
        features(7, -1, -1, 0x7));
    var withoutTiles =
        new CpuFeatures(true, true, true, true, true, true, true, true, true, false, false, false);
    assertEquals(withoutTiles, features(7, -1, -1, 0xE7));
    assertEquals(withoutTiles, features(7, -1, -1, 0x200E7));
    assertTrue(features(7, -1, -1, 0x67).avx2());
    assertEquals(false, features(7, -1, -1, 0x67).avx512f());
  }

  @Test
  void theSecondPartOfLeafSevenIsAskedWhereItIs() {
    assertEquals(false, features(7, -1, 0, ALL_STATE).avx512Bf16());
    assertEquals(false, features(7, -1, 0, ALL_STATE).avxVnni());
    assertEquals(true, features(7, -1, 1, ALL_STATE).avx512Bf16());
    assertEquals(true, features(7, -1, 1, ALL_STATE).avxVnni());
  }

  /** Of a processor with all bits set but these. */
  private static CpuFeatures features(int leaves, int basic, int subleaves, long state) {
    return CpuFeatures.of(
        new CpuFeatures.Source() {
          @Override
          public Registers cpuid(int leaf, int subleaf) {
            return switch (leaf) {
              case 0 -> new Registers(leaves, 0, 0, 0);
              case 1 -> new Registers(0, 0, basic, 0);
              default ->
                  subleaf == 0
                      ? new Registers(subleaves & 1, -1, -1, -1)
                      : new Registers(-1, 0, 0, 0);
            };
          }

          @Override
          public long xcr0() {
            return state;
          }
        });
  }
}
