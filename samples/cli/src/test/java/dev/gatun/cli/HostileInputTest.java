package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.json.Json.JsonString;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that are larger than they say, that are no files, or that speak to the terminal. */
@EnabledOnOs(OS.LINUX)
class HostileInputTest {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Path ZEROS = Path.of("/dev/zero");

  @TempDir Path folder;

  private static void requireFailure(String said, Object... arguments) {
    var words = IntStream.range(0, arguments.length).mapToObj(i -> arguments[i].toString());
    var line = words.toArray(String[]::new);
    var run = assertTimeoutPreemptively(SOON, () -> Run.of(line));
    run.requireOneSentence(said);
    assertEquals(Main.FAILED, run.exitCode());
  }

  private Path pipe(String name) throws Exception {
    var pipe = folder.resolve(name);
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    return pipe;
  }

  @Test
  void parametersOfAFolderThatAreNoFile() throws Exception {
    var pictures = Files.createDirectory(folder.resolve("pictures"));
    var parameters = pictures.resolve("parameters.txt");
    var line = List.of("generate", "adm-digits", "--count", "1", "--steps", "1", "--out", pictures);
    var said = parameters + ": is no file that tells what the folder holds; give an empty folder";
    Files.createDirectory(parameters);
    requireFailure(said, line.toArray());
    Files.delete(parameters);
    Files.createSymbolicLink(parameters, ZEROS);
    requireFailure(said, line.toArray());
    Files.delete(parameters);
    pipe("pictures/parameters.txt");
    requireFailure(said, line.toArray());
    Files.delete(parameters);
    hole(parameters, 1L << 32);
    requireFailure(parameters + ": has more than 104", line.toArray());
  }

  private static Path hole(Path file, long bytes) throws IOException {
    try (var channel =
        Files.newByteChannel(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      channel.position(bytes - 1).write(ByteBuffer.allocate(1));
    }
    return file;
  }

  @Test
  void promptsWithoutEnd() {
    requireFailure(
        "/dev/zero: has more than 16777216 bytes; cut it", "generate", "--prompts", ZEROS);
  }

  @Test
  void promptsMayComeThroughAPipe() throws Exception {
    var pipe = pipe("prompts");
    Thread.ofPlatform().daemon().start(() -> write(pipe, "a cat\n"));
    var run = Run.of("generate", "--prompts", pipe.toString());
    run.requireOneSentence("trained with texts, which this one was not");
  }

  private static void write(Path file, String text) {
    try {
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void descriptionsThatCannotGoIntoAConvertedFile() throws Exception {
    var out = folder.resolve("out.safetensors");
    var binary = Files.write(folder.resolve("binary.json"), new byte[] {'{', (byte) 0xFF, 0});
    requireFailure(
        "binary.json: is not sound JSON", "convert", "dit-fruit", out, "--config", binary);
    requireFailure(
        "zero: has more than 1 MiB, which is no description",
        "convert",
        "dit-fruit",
        out,
        "--config",
        ZEROS);
    var hole = hole(folder.resolve("hole.json"), 3L << 30);
    requireFailure(
        "hole.json: has more than 1 MiB, which is no description",
        "convert",
        "dit-fruit",
        out,
        "--config",
        hole);
    Run.of("convert", "dit-fruit", out.toString()).requireDone();
    String config;
    try (var checkpoint = Checkpoint.open(out)) {
      config = checkpoint.metadata().get("config");
    }
    var pipe = pipe("pipe.json");
    Thread.ofPlatform().daemon().start(() -> write(pipe, config));
    requireFailure(
        "pipe.json: can be read only once, but goes into the new file",
        "convert",
        "dit-fruit",
        out,
        "--config",
        pipe);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          100, 1024, 1024, 3 | its pictures are [100, 1024, 1024, 3], more than 1000000 of them or 256 MiB
          1000001, 1, 1, 1   | its pictures are [1000001, 1, 1, 1], more than 1000000 of them
          1, 4, 4, 4         | its pictures are [1, 4, 4, 4], expected 1 or 3 levels
          0, 4, 4, 3         | its pictures are [0, 4, 4, 3], expected square ones
          """)
  void picturesToEnlargeThatNobodyHas(String shape, String said) throws IOException {
    var file = folder.resolve("small.npz");
    long bytes = 1;
    for (var extent : shape.split(", ")) {
      bytes *= Long.parseLong(extent);
    }
    var header =
        "\u0093NUMPY\1\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (%s)}"
            .formatted(shape);
    try (var zip = new ZipOutputStream(Files.newOutputStream(file))) {
      zip.setLevel(1);
      zip.putNextEntry(new ZipEntry("arr_0.npy"));
      zip.write((header + " ".repeat(128 - header.length())).getBytes(StandardCharsets.ISO_8859_1));
      byte[] zeros = new byte[1 << 16];
      for (long left = bytes; left > 0; left -= zeros.length) {
        zip.write(zeros, 0, (int) Math.min(left, zeros.length));
      }
    }
    requireFailure("small.npz: " + said, "generate", "dit-fruit", "--low-res", file);
  }

  /** ESC ] 0 ; … BEL renames the window, U+009B begins a sequence, U+202E turns the text around. */
  @Test
  void noFileSpeaksToTheTerminal() throws IOException {
    var red = "\u001b[31mred\u001b[0m";
    var csi = "\u009b2J";
    var turned = "\u202eder\u2028";
    var file = folder.resolve("hostile.safetensors");
    var names = new JsonString(red) + "," + new JsonString(csi) + "," + new JsonString(turned);
    TestFiles.bundled("dit-fruit", file, Map.of("classes", "[" + names + "]"));
    var run = Run.of("info", file.toString());
    run.requireDone();
    requirePlain(run.out());
    assertTrue(run.out().contains("3: \\u001b[31mred\\u001b[0m, \\u009b2J, \\u202eder\\u2028"));
    run = Run.of("info", file.toString(), "--json");
    requirePlain(run.out());
    assertEquals(
        List.of(new JsonString(red), new JsonString(csi), new JsonString(turned)),
        run.json().array("classes").items());
    run = Run.of("generate", file.toString(), "--class", "plum");
    requirePlain(run.err());
    var pictures = Files.createDirectory(folder.resolve("pictures"));
    Files.writeString(pictures.resolve("parameters.txt"), "model: " + red + csi + "\n");
    run = Run.of("generate", "--out", pictures.toString());
    requirePlain(run.err());
    run.requireOneSentence("holds pictures with model \\u001b[31mred\\u001b[0m\\u009b2J, not");
  }

  private static void requirePlain(String printed) {
    for (int i = 0; i < printed.length(); i++) {
      char c = printed.charAt(i);
      assertFalse(
          c != '\n' && Character.isISOControl(c) || c >= '\u2028' && c <= '\u202e', printed);
    }
  }

  @Test
  void infoShowsTheFirstOfManyClasses() throws IOException {
    var file = folder.resolve("many.safetensors");
    var names =
        IntStream.range(0, 1000).mapToObj(i -> "\"class " + i + "\"").collect(Collectors.joining());
    var classes = "[" + names.replace("\"\"", "\",\"") + "]";
    TestFiles.sparse(file, TestFiles.published("DiT-S/8"), Map.of("classes", classes));
    var run = Run.of("info", file.toString());
    run.requireDone();
    assertTrue(run.out().contains("1000: class 0, class 1, class 2, "), run.out());
    assertTrue(run.out().contains("class 38, class 39 and 960 more\n"), run.out());
    assertEquals(
        1000, Run.of("info", file.toString(), "--json").json().array("classes").items().size());
  }
}
