package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.bindings.code.SystemCalls;
import java.io.File;
import java.lang.module.ModuleFinder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Programs that know no modules find the backends, too. */
class ClassPathTest {
  private static final String SERVICE = BackendProvider.class.getName();

  @Test
  void bothListsOfProvidersAreTheSame() throws Exception {
    var module =
        ModuleFinder.of(classes(Backend.class))
            .find("dev.gatun.runtime")
            .orElseThrow()
            .descriptor();
    var declared =
        module.provides().stream()
            .filter(provides -> provides.service().equals(SERVICE))
            .flatMap(provides -> provides.providers().stream())
            .collect(Collectors.toSet());
    try (var file = Backend.class.getResourceAsStream("/META-INF/services/" + SERVICE)) {
      var listed =
          new String(file.readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(line -> !line.startsWith("#"))
              .toList();
      assertEquals(declared, new HashSet<>(listed));
      assertEquals(declared.size(), listed.size());
    }
  }

  /** Nothing else is said: without native access nothing touches it, so no JVM warns of that. */
  @Test
  void aProgramOnTheClassPathComputes() throws Exception {
    assertEquals(
        List.of("cpu of [cpu, reference]"),
        run("--add-modules", "jdk.incubator.vector")
            .filter(line -> !line.contains("incubator"))
            .toList());
  }

  /** Who may not call native code gets no machine code, and the same backend. */
  @Test
  void aProgramThatIsDeniedNativeAccessComputes() throws Exception {
    var lines =
        run("--add-modules", "jdk.incubator.vector", "--illegal-native-access=deny").toList();
    assertTrue(lines.contains("cpu of [cpu, reference]"), lines::toString);
  }

  @Test
  void aProgramOnTheClassPathComputesWithoutVectors() throws Exception {
    var lines = run().toList();
    assertTrue(lines.contains("reference of [cpu, reference]"), lines::toString);
    assertTrue(lines.toString().contains("start the JVM with --add-modules"), lines::toString);
  }

  @Test
  void aListThatWasLostIsSaid() {
    var e = assertThrows(UnsupportedOperationException.class, () -> Backends.required(List.of()));
    assertTrue(e.getMessage().contains("META-INF/services/" + SERVICE), e.getMessage());
  }

  /** What {@link Program} prints in a JVM of its own. */
  private static Stream<String> run(String... options) throws Exception {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.add("-cp");
    command.add(
        Stream.of(classes(Backend.class), classes(SystemCalls.class), classes(Program.class))
            .map(Path::toString)
            .collect(Collectors.joining(File.pathSeparator)));
    command.add(Program.class.getName());
    var process = new ProcessBuilder(command).redirectErrorStream(true).start();
    var out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), out);
    return out.lines();
  }

  private static Path classes(Class<?> of) throws Exception {
    return Path.of(of.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  /** Opens the default backend. */
  static final class Program {
    private Program() {}

    public static void main(String[] arguments) {
      try (var backend = Backend.open(Device.CPU);
          var x = backend.allocate(DType.F32, Shape.of(2, 3))) {
        backend.clamp(x, 0, 1, x);
        System.out.println(backend.name() + " of " + Backend.names(Device.Kind.CPU));
      }
    }
  }
}
