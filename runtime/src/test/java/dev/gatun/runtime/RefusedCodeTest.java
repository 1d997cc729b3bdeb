package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** What a JVM does in which assembled code is refused, when it is asked for bf16 or i8. */
class RefusedCodeTest {
  /** Asking for them again and again gives the very results of f32, and one line. */
  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  void f32ComputesAndOneLineSaysWhy() throws Exception {
    var plain = run("-Dgatun.cpu.code=true", "F32");
    assertEquals(1, plain.size(), plain::toString);
    assertTrue(plain.getFirst().startsWith("cpu in f32: "), plain::toString);
    for (var precision : new Precision[] {Precision.BF16, Precision.I8}) {
      fallsBack(
          plain.getFirst(),
          precision,
          "-Dgatun.cpu.code=false says so: leave that option out",
          "-Dgatun.cpu.code=false");
    }
    fallsBack(
        plain.getFirst(),
        Precision.BF16,
        "this JVM denies native access: start it with",
        "--illegal-native-access=deny");
  }

  private static void fallsBack(String plain, Precision precision, String reason, String option)
      throws Exception {
    var lines = new ArrayList<>(run(option, (precision.name() + " ").repeat(3)));
    assertTrue(lines.removeIf(plain::equals), lines::toString);
    // java.logging says when and where on a line of its own
    lines.removeIf(line -> line.contains(Backends.class.getName()));
    assertEquals(1, lines.size(), lines::toString);
    assertTrue(
        lines.getFirst().contains("computing in f32; not in " + precision + ": "), lines::toString);
    assertTrue(lines.getFirst().contains(reason), lines::toString);
  }

  /** What {@link Program} says in a JVM of its own. */
  private static List<String> run(String option, String precisions) throws Exception {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(option, "--add-modules", "jdk.incubator.vector"));
    command.add("-cp");
    command.add(
        classes("dev.gatun.bindings.code.SystemCalls")
            + File.pathSeparator
            + classes(Backend.class.getName())
            + File.pathSeparator
            + classes(Program.class.getName()));
    command.add(Program.class.getName());
    command.addAll(List.of(precisions.split(" ")));
    var process = new ProcessBuilder(command).redirectErrorStream(true).start();
    var out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    return out.lines().filter(line -> !line.contains("incubator")).toList();
  }

  private static Path classes(String name) throws Exception {
    var type = Class.forName(name);
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  /** Computes a linear layer in precisions and tells the bits of the results. */
  static final class Program {
    private Program() {}

    public static void main(String[] precisions) {
      for (var precision : precisions) {
        try (var backend = Backend.open(Device.CPU, Precision.valueOf(precision), 2);
            var x = numbers(70, 130);
            var matrix = numbers(100, 130);
            var weight = backend.pack(matrix);
            var out = backend.allocate(DType.F32, Shape.of(70, 100))) {
          backend.linear(x, weight, Epilogue.NONE, out);
          System.out.println(
              backend.name()
                  + " in "
                  + backend.precision()
                  + ": "
                  + Arrays.hashCode(out.toFloats()));
        }
      }
    }

    private static Tensor numbers(int rows, int columns) {
      var tensor = Tensor.allocate(DType.F32, Shape.of(rows, columns));
      for (int i = 0; i < rows * columns; i++) {
        tensor.setFloat(i, (float) Math.sin(i));
      }
      return tensor;
    }
  }
}
