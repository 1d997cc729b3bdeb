package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.ImagePipeline;
import dev.gatun.runtime.Tensor;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code gatun generate --out DIR}, ended at any moment and started again. */
@DisabledOnOs(OS.WINDOWS)
class BulkSamplingTest {
  private static final int COUNT = 12;

  @TempDir Path temp;

  private static String[] arguments(String model, int count, Path out, String... more) {
    var line = "generate %s --count %d --steps 2 --seed 4 --out".formatted(model, count).split(" ");
    var all = new ArrayList<>(List.of(line));
    all.add(out.toString());
    all.addAll(List.of(more));
    return all.toArray(String[]::new);
  }

  private static Run generate(String model, int count, Path out, String... more) {
    return Run.of(arguments(model, count, out, more));
  }

  private Path folder() throws IOException {
    return Files.createDirectories(temp.resolve("pictures"));
  }

  /** A file as somebody would notice that it was written again. */
  private record Snapshot(List<Byte> bytes, FileTime time, Object key) {
    static Snapshot of(Path file) throws IOException {
      var bytes = new ArrayList<Byte>();
      for (byte b : Files.readAllBytes(file)) {
        bytes.add(b);
      }
      var key = Files.readAttributes(file, "unix:ino").get("ino");
      return new Snapshot(bytes, Files.getLastModifiedTime(file), key);
    }
  }

  private static Map<String, Snapshot> finished(Path folder) throws IOException {
    var finished = new TreeMap<String, Snapshot>();
    for (var name : names(folder)) {
      if (name.endsWith(".png")) {
        finished.put(name, Snapshot.of(folder.resolve(name)));
      }
    }
    return finished;
  }

  private static List<String> names(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (var files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static void requireKept(Map<String, Snapshot> before, Path folder) throws IOException {
    var after = finished(folder);
    for (var entry : before.entrySet()) {
      assertEquals(entry.getValue(), after.get(entry.getKey()), entry.getKey());
    }
  }

  /** All are there, byte by byte what a run has that nothing disturbed, and nothing else is. */
  private void requireWhole(String model, int count, Path folder) throws IOException {
    var whole = temp.resolve("whole " + model);
    generate(model, count, whole).requireDone();
    assertEquals(count + 1, names(whole).size());
    assertEquals(names(whole), names(folder));
    for (var name : names(whole)) {
      assertArrayEquals(
          Files.readAllBytes(whole.resolve(name)), Files.readAllBytes(folder.resolve(name)), name);
    }
  }

  private static void waitForPictures(int count, Path folder, Callable<Boolean> alive)
      throws Exception {
    while (names(folder).stream().filter(name -> name.endsWith(".png")).count() < count
        && alive.call()) {
      Thread.sleep(1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"adm-digits", "dit-fruit"})
  void anInterruptLosesNoPictureAndTheNextRunGoesOn(String model) throws Exception {
    var folder = folder();
    int interrupts = 0;
    for (int k = 0; interrupts < 3 || finished(folder).size() < COUNT; k++) {
      var before = finished(folder);
      var task = new FutureTask<>(() -> generate(model, COUNT, folder, "--batch", "1"));
      var thread = Thread.ofPlatform().start(task);
      if (interrupts < 3) {
        waitForPictures(before.size() + k, folder, thread::isAlive);
        thread.interrupt();
      }
      var run = task.get();
      requireKept(before, folder);
      assertTrue(names(folder).stream().noneMatch(name -> name.endsWith(".partial")));
      if (run.exitCode() == Main.DONE) {
        break;
      }
      interrupts++;
      assertEquals(Main.INTERRUPTED, run.exitCode(), run.err());
      run.requireOneSentence("stopped");
      assertTrue(finished(folder).size() < COUNT, "it was interrupted too late");
    }
    assertTrue(interrupts > 0, "never interrupted");
    requireWhole(model, COUNT, folder);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void aKilledProgramLosesNoPicture(int most) throws Exception {
    var folder = folder();
    var process = process(arguments("adm-digits", 2000, folder, "--batch", "1"));
    waitForPictures(most, folder, process::isAlive);
    process.destroyForcibly().waitFor();
    var before = finished(folder);
    assertTrue(before.size() >= most && before.size() < 2000, "it made " + before.size());
    int count = before.size() + 3;
    var run = generate("adm-digits", count, folder);
    run.requireDone();
    assertTrue(run.out().contains(": 3 pictures, " + before.size() + " were there"), run.out());
    requireKept(before, folder);
    requireWhole("adm-digits", count, folder);
  }

  /** As the launcher starts it; what it prints is not looked at. */
  private Process process(String... arguments) throws IOException {
    var modules =
        ModuleLayer.boot().configuration().modules().stream()
            .flatMap(module -> module.reference().location().stream())
            .filter(location -> location.getScheme().equals("file"))
            .map(BulkSamplingTest::path)
            .collect(Collectors.joining(File.pathSeparator));
    var command = new ArrayList<String>();
    if (ignoresInterrupts()) {
      command.addAll(List.of("env", "--default-signal=INT"));
    }
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    command.addAll(List.of("-p", modules, "-m", "dev.gatun.cli/dev.gatun.cli.Main"));
    command.addAll(Arrays.asList(arguments));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(temp.resolve("output").toFile())
        .start();
  }

  /** Whether this JVM does, as what a shell starts in the background; a child inherits it. */
  private static boolean ignoresInterrupts() throws IOException {
    var status = Path.of("/proc/self/status");
    if (Files.notExists(status)) {
      return false;
    }
    int bitOfInterrupt = 1 << 1;
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("SigIgn:"))
        .anyMatch(
            line -> (Long.parseUnsignedLong(line.split("\\s+")[1], 16) & bitOfInterrupt) != 0);
  }

  private static String path(URI location) {
    return Path.of(location).toString();
  }

  @Test
  void aSignalEndsItWithTheCodeOfAnInterrupt() throws Exception {
    var folder = folder();
    var process = process(arguments("adm-digits", 100_000, folder, "--batch", "1"));
    waitForPictures(1, folder, process::isAlive);
    // Java itself can only send TERM and KILL, not what Ctrl-C sends
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    assertEquals(Main.INTERRUPTED, process.waitFor(), Files.readString(temp.resolve("output")));
    assertTrue(names(folder).stream().noneMatch(name -> name.endsWith(".partial")));
  }

  @Test
  void picturesMissingInTheMiddleAreFilledIn() throws Exception {
    var folder = folder();
    generate("adm-digits", 9, folder).requireDone();
    for (int gone : new int[] {0, 3, 4, 7}) {
      Files.delete(folder.resolve("00000" + gone + ".png"));
    }
    var before = finished(folder);
    var json = generate("adm-digits", 9, folder, "--batch", "3", "--json").json();
    assertEquals(9, json.array("files").items().size());
    requireKept(before, folder);
    requireWhole("adm-digits", 9, folder);
  }

  @Test
  void theCountMayGrowAndShrinkAndADoneRunMakesNothing() throws Exception {
    var folder = folder();
    generate("adm-digits", 3, folder).requireDone();
    var three = finished(folder);
    generate("adm-digits", 5, folder, "--threads", "1").requireDone();
    requireKept(three, folder);
    requireWhole("adm-digits", 5, folder);
    var five = finished(folder);
    var again = generate("adm-digits", 5, folder);
    again.requireDone();
    assertTrue(again.out().contains(": 0 pictures, 5 were there"), again.out());
    var files = generate("adm-digits", 2, folder, "--json").json().array("files").items();
    assertEquals(
        List.of("000000.png", "000001.png"),
        files.stream()
            .map(file -> Path.of(((JsonString) file).value()).getFileName().toString())
            .toList());
    assertEquals(five, finished(folder));
  }

  @ParameterizedTest
  @CsvSource({
    "--seed 5, 'seed 4, not 5'",
    "--steps 3, 'steps 2, not 3'",
    "--sampler ddpm, 'sampler ddim, not ddpm'",
    "--class 3, 'classes all, not 3'",
    "--guidance 1, 'guidance 2.0, not 1.0'",
    "--no-clip, 'clip true, not false'",
    "--eta 0.5, 'eta none, not 0.5'",
    "--rng torch, 'rng image, not torch'",
  })
  void otherParametersAreRefused(String option, String said) throws Exception {
    var folder = folder();
    generate("adm-digits", 2, folder).requireDone();
    var before = finished(folder);
    // an option that is given twice would be refused
    var arguments = new ArrayList<>(List.of(arguments("adm-digits", 3, folder)));
    var first = option.split(" ")[0];
    int at = arguments.indexOf(first);
    if (at >= 0) {
      arguments.subList(at, at + 2).clear();
    }
    arguments.addAll(List.of(option.split(" ")));
    var run = Run.of(arguments.toArray(String[]::new));
    assertEquals(Main.FAILED, run.exitCode(), run.err());
    run.requireOneSentence("holds pictures with " + said + "; give an empty folder");
    assertEquals(before, finished(folder));
  }

  @Test
  void aParameterThatIsNoLongerGivenIsNamed() throws Exception {
    var folder = folder();
    generate("dit-fruit", 1, folder, "--eta", "0.5").requireDone();
    generate("dit-fruit", 2, folder).requireOneSentence("holds pictures with eta 0.5, not none");
    generate("uvit-digits", 2, folder).requireOneSentence("with model dit-fruit, not uvit-digits");
  }

  @Test
  void leftoversOfDeadProgramsVanishAndOthersStay() throws Exception {
    var folder = folder();
    var dead = new ProcessBuilder("true").start();
    dead.waitFor();
    var alive = ProcessHandle.current().parent().orElseThrow().pid();
    var own = ProcessHandle.current().pid();
    var text = "half a picture";
    Files.writeString(folder.resolve("000001.png." + dead.pid() + ".partial"), text);
    Files.writeString(folder.resolve("000000.png." + own + ".partial"), text);
    Files.writeString(folder.resolve("000001.png." + alive + ".partial"), text);
    Files.writeString(folder.resolve("mine.partial"), text);
    generate("adm-digits", 2, folder).requireDone();
    assertEquals(
        List.of(
            "000000.png",
            "000001.png",
            "000001.png." + alive + ".partial",
            "mine.partial",
            "parameters.txt"),
        names(folder));
  }

  @ParameterizedTest
  @ValueSource(strings = {"all.png", "all.npz"})
  void leftoversOfASingleFileVanishToo(String name) throws Exception {
    var folder = folder();
    var dead = new ProcessBuilder("true").start();
    dead.waitFor();
    Files.writeString(folder.resolve(name + "." + dead.pid() + ".partial"), "half a file");
    Files.writeString(folder.resolve("other.png." + dead.pid() + ".partial"), "half a file");
    generate("adm-digits", 2, folder.resolve(name)).requireDone();
    assertEquals(List.of(name, "other.png." + dead.pid() + ".partial"), names(folder));
  }

  @ParameterizedTest
  @ValueSource(strings = {"000000.png", "000017.png"})
  void aFolderWithPicturesOfSomethingElseIsRefused(String name) throws Exception {
    var folder = folder();
    Files.writeString(folder.resolve(name), "mine");
    var run = generate("adm-digits", 2, folder);
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("holds pictures of something else; give an empty folder");
    assertEquals(List.of(name), names(folder));
  }

  /** Other weights under the same name, as every training and every autoencoder has it. */
  @Test
  void aModelOfTheSameNameDoesNotGoOn() throws Exception {
    var folder = folder();
    var file = temp.resolve("nnet_ema.safetensors");
    writeDigits(file, 0);
    generate(file.toString(), 1, folder).requireDone();
    generate(file.toString(), 2, folder).requireDone();
    writeDigits(file, 0.5f);
    var before = finished(folder);
    var run = generate(file.toString(), 3, folder);
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("holds pictures with model-digest ");
    assertEquals(before, finished(folder));
  }

  /** uvit-digits with one number changed. */
  private static void writeDigits(Path file, float change) throws IOException {
    try (var bundled = BundledModels.open("uvit-digits")) {
      var checkpoint = bundled.checkpoint();
      var tensors = new LinkedHashMap<String, Tensor>();
      for (var key : checkpoint.tensors().keySet()) {
        tensors.put(key, checkpoint.read(key, t -> Tensor.of(t.shape(), t.toFloats())));
      }
      var norm = tensors.get("norm.bias");
      norm.setFloat(0, norm.getFloat(0) + change);
      SafetensorsWriter.write(file, checkpoint.metadata(), tensors);
    }
  }

  @Test
  void aDamagedListOfParametersIsOther() throws Exception {
    var folder = folder();
    Files.write(folder.resolve("parameters.txt"), new byte[] {(byte) 0xFF, '\n', (byte) 0xC0});
    var run = generate("adm-digits", 1, folder);
    run.requireOneSentence("holds pictures with model none, not adm-digits");
  }

  @Test
  void oneGeneratorForAllCannotBeTakenUp() throws Exception {
    var folder = folder();
    generate("adm-digits", 2, folder, "--rng", "torch").requireDone();
    var before = finished(folder);
    var run = generate("adm-digits", 3, folder, "--rng", "torch");
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("--rng torch draws all pictures from one generator");
    assertEquals(before, finished(folder));
    Files.delete(folder.resolve("000000.png"));
    assertEquals(Main.FAILED, generate("adm-digits", 2, folder, "--rng", "torch").exitCode());
  }

  /** What one picture says makes that picture again. */
  @Test
  void aPictureTellsWhatItIsAndNotTheOthers() throws Exception {
    var folder = folder();
    generate("adm-digits", 2, folder, "--class", "7,3").requireDone();
    var png = Files.readString(folder.resolve("000001.png"), StandardCharsets.ISO_8859_1);
    assertTrue(png.contains("model: adm-digits, seed: 4, classes: 7,3, "), png);
    assertTrue(png.contains(", picture: 1"), png);
    assertFalse(png.contains("count: "), png);
    try (var pipeline = ImagePipeline.bundled("adm-digits")) {
      var images = pipeline.request().classes(7, 3).steps(2).seed(4).generate();
      var found = ImageIO.read(folder.resolve("000001.png").toFile());
      var expected = images.image(1);
      assertArrayEquals(
          expected.getRGB(0, 0, 16, 16, null, 0, 16), found.getRGB(0, 0, 16, 16, null, 0, 16));
    }
  }
}
