package dev.gatun.runtime.cpu.asm;

import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.bindings.code.CodeRefusedException;
import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.bindings.code.SystemCalls;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.StringJoiner;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledIfSystemProperty;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@EnabledOnOs(value = OS.LINUX, architectures = "amd64")
@DisabledIfSystemProperty(named = SystemCalls.PROPERTY, matches = "false")
class ExecutableMemoryTest {
  private static final FunctionDescriptor SUM = Program.SUM;

  private static byte[] sum() {
    return Program.sum();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void codeIsCalled(boolean critical) throws Throwable {
    try (var memory = ExecutableMemory.of(sum())) {
      var handle = memory.handle(0, SUM, critical);
      assertEquals(42, (long) handle.invokeExact(40L, 2L));
      assertEquals(Long.MIN_VALUE, (long) handle.invokeExact(Long.MAX_VALUE, 1L));
      assertEquals(7, memory.size());
    }
  }

  @Test
  void codeBeginsAtAnyOffset() throws Throwable {
    var a = new Assembler();
    a.mov(RAX, 1);
    a.ret();
    a.align(64);
    int second = a.size();
    a.mov(RAX, 2);
    a.ret();
    var type = FunctionDescriptor.of(JAVA_LONG);
    try (var memory = ExecutableMemory.of(a.code())) {
      assertEquals(1, (long) memory.handle(0, type).invokeExact());
      assertEquals(2, (long) memory.handle(second, type).invokeExact());
      assertThrows(IndexOutOfBoundsException.class, () -> memory.handle(-1, type));
      assertThrows(IndexOutOfBoundsException.class, () -> memory.handle(memory.size(), type));
    }
    assertThrows(IllegalArgumentException.class, () -> ExecutableMemory.of(new byte[0]));
  }

  @Test
  void constantsOfTheCodeAreRead() throws Throwable {
    var a = new Assembler();
    var constant = a.label();
    a.mov(RAX, Address.of(constant).plus(8));
    a.ret();
    a.align(64);
    a.bind(constant);
    a.data(1, 2, 3, 4);
    try (var memory = ExecutableMemory.of(a.code())) {
      var handle = memory.handle(0, FunctionDescriptor.of(JAVA_LONG));
      assertEquals(4L << 32 | 3, (long) handle.invokeExact());
    }
  }

  @Test
  void codeIsExecutableAndNotWritable() throws IOException {
    int bytes = 5 << 20;
    assertEquals(0, largeExecutable(bytes));
    try (var memory = ExecutableMemory.of(new byte[bytes])) {
      assertEquals(bytes, memory.size());
      assertEquals(1, largeExecutable(bytes));
    }
    assertEquals(0, largeExecutable(bytes));
  }

  /** Mappings of no file that can be read and executed alone; those of the JVM can be written. */
  private static long largeExecutable(int bytes) throws IOException {
    return maps()
        .map(line -> line.split("[- ]+"))
        .filter(fields -> fields[2].equals("r") && fields[3].equals("xp") && fields.length == 7)
        .filter(fields -> Long.parseLong(fields[1], 16) - Long.parseLong(fields[0], 16) >= bytes)
        .count();
  }

  private static Stream<String> maps() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/maps")).stream();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void closedCodeIsRefused(boolean critical) {
    var memory = ExecutableMemory.of(sum());
    var handle = memory.handle(0, SUM, critical);
    memory.close();
    memory.close();
    assertThrows(IllegalStateException.class, () -> handle.invoke(1L, 2L));
    assertThrows(IllegalStateException.class, () -> memory.handle(0, SUM, critical));
  }

  @Test
  void codeThatRunsIsNotClosed() throws Exception {
    var a = new Assembler();
    // the first int says that it runs, the second that it may end
    a.mov(RAX, 1);
    a.mov32(Address.of(RDI), RAX);
    var loop = a.here();
    a.mov32(RAX, Address.of(RDI, 4));
    a.test(RAX, RAX);
    a.j(Condition.EQUAL, loop);
    a.ret();
    var memory = ExecutableMemory.of(a.code());
    var handle = memory.handle(0, FunctionDescriptor.ofVoid(ADDRESS));
    try (var arena = Arena.ofShared()) {
      var flags = arena.allocate(JAVA_INT, 2);
      var ended = new CountDownLatch(1);
      var thread =
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      handle.invokeExact(flags);
                      ended.countDown();
                    } catch (Throwable e) {
                      throw new AssertionError(e);
                    }
                  });
      var running = JAVA_INT.varHandle();
      while ((int) running.getVolatile(flags, 0L) == 0) {
        Thread.onSpinWait();
      }
      assertThrows(IllegalStateException.class, memory::close);
      running.setVolatile(flags, 4L, 1);
      thread.join();
      assertEquals(0, ended.getCount());
    }
    memory.close();
    assertThrows(IllegalStateException.class, () -> memory.handle(0, SUM));
  }

  @Test
  void memoryIsGivenBack() throws Throwable {
    var code = sum();
    for (int i = 0; i < 100; i++) {
      cycle(code);
    }
    long before = maps().count();
    for (int i = 0; i < 10_000; i++) {
      cycle(code);
    }
    long after = maps().count();
    // what the JVM itself maps comes and goes by a few
    assertTrue(Math.abs(after - before) < 50, () -> before + " mappings became " + after);
  }

  private static void cycle(byte[] code) throws Throwable {
    try (var memory = ExecutableMemory.of(code)) {
      assertEquals(5, (long) memory.handle(0, SUM).invokeExact(2L, 3L));
    }
  }

  @Test
  void thePropertyRefuses() {
    var before = System.getProperty(SystemCalls.PROPERTY, "true");
    System.setProperty(SystemCalls.PROPERTY, "false");
    try {
      var refused = assertThrows(CodeRefusedException.class, () -> ExecutableMemory.of(sum()));
      assertEquals(
          "assembled code cannot be used, because -Dgatun.cpu.code=false says so:"
              + " leave that option out",
          refused.getMessage());
      assertFalse(SystemCalls.requestTiles());
      assertThrows(CodeRefusedException.class, Cpuid::features);
    } finally {
      System.setProperty(SystemCalls.PROPERTY, before);
    }
  }

  @Test
  void anotherSystemIsRefused() {
    var system = System.setProperty("os.arch", "aarch64");
    try {
      var refused = assertThrows(CodeRefusedException.class, () -> ExecutableMemory.of(sum()));
      assertTrue(refused.getMessage().contains("this is Linux on aarch64"), refused::getMessage);
    } finally {
      System.setProperty("os.arch", system);
    }
  }

  @Test
  void aJvmThatDeniesNativeAccessIsRefused() throws Exception {
    assertEquals(
        "assembled code cannot be used, because this JVM denies native access:"
            + " start it with --enable-native-access=dev.gatun.bindings",
        run("--illegal-native-access=deny"));
    assertEquals("3", run("--enable-native-access=ALL-UNNAMED"));
  }

  /** What {@link Program} says in a new JVM. */
  private static String run(String option) throws Exception {
    var path = new StringJoiner(File.pathSeparator);
    for (var type : List.of(Program.class, Assembler.class, ExecutableMemory.class)) {
      path.add(
          Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).toString());
    }
    var java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    var process =
        new ProcessBuilder(java, option, "-cp", path.toString(), Program.class.getName())
            .redirectErrorStream(true)
            .start();
    try (var output = process.inputReader()) {
      return output.lines().collect(Collectors.joining("\n"));
    }
  }

  /** Knows nothing of JUnit. */
  static final class Program {
    static final FunctionDescriptor SUM = FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG);

    private Program() {}

    static byte[] sum() {
      var a = new Assembler();
      a.mov(RAX, RDI);
      a.add(RAX, RSI);
      a.ret();
      return a.code();
    }

    public static void main(String[] args) throws Throwable {
      try (var memory = ExecutableMemory.of(sum())) {
        System.out.println((long) memory.handle(0, SUM).invokeExact(1L, 2L));
      } catch (CodeRefusedException e) {
        System.out.println(e.getMessage());
      }
    }
  }
}
