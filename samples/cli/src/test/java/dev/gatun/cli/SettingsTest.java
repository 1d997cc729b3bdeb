package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.diffusion.Samplers;
import dev.gatun.models.diffusion.Samplers.Option;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Samplers, guidance and prompts of {@code gatun generate}, on every bundled model. */
class SettingsTest {
  private static final List<String> MODELS =
      List.of("dit-fruit", "uvit-digits", "diffit-digits", "adm-digits");

  @TempDir Path folder;

  private int[] pixels(String options) throws IOException {
    var file = folder.resolve("picture.png");
    Files.deleteIfExists(file);
    Run.of(("generate " + options + " --count 1 --out " + file).split(" +")).requireDone();
    var image = ImageIO.read(file.toFile());
    int width = image.getWidth();
    return image.getRGB(0, 0, width, image.getHeight(), null, 0, width);
  }

  static List<String> models() {
    return MODELS;
  }

  static Stream<String> samplers() {
    return Samplers.names().stream().filter(name -> !name.equals("ddim-reverse"));
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void everySamplerMakesAPicture(String sampler) throws IOException {
    int[] made = pixels("dit-fruit --steps 2 --sampler " + sampler);
    // two steps are too few for some: they end in the corners of the colours
    assertTrue(Arrays.stream(made).distinct().count() > 1, "a picture of one colour");
    assertArrayEquals(made, pixels("dit-fruit --steps 2 --sampler " + sampler), "is repeated");
    var upper = sampler.toUpperCase(Locale.ROOT);
    assertArrayEquals(made, pixels("dit-fruit --steps 2 --sampler " + upper));
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void whatASamplerCanBeToldChangesItsPicture(String sampler) throws IOException {
    var line = "dit-fruit --steps 3 --sampler " + sampler;
    int[] plain = pixels(line);
    var options = Samplers.entry(sampler).options();
    change(options.contains(Option.ETA), plain, line, "--eta 0.37", "eta");
    change(options.contains(Option.CHURN), plain, line, "--churn 2", "churn");
    // the adaptive ones compare an order with the one below it
    var order = sampler.endsWith("adaptive") ? "--order 2" : "--order 1";
    change(options.contains(Option.ORDER), plain, line, order, "order");
    change(options.contains(Option.SPACING), plain, line, "--spacing square-root", "spacing");
    change(options.contains(Option.LEVELS), plain, line, "--levels exponential", "levels");
    change(options.contains(Option.CLIP), plain, line, "--threshold 1", "clip");
    // another spacing than the three even steps, where the sampler has one
    var free = "dit-fruit --sampler " + sampler;
    change(options.contains(Option.RESPACING), plain, free, "--respacing 1,3", "respacing");
  }

  private void change(boolean takes, int[] plain, String line, String option, String name)
      throws IOException {
    if (takes) {
      assertFalse(Arrays.equals(plain, pixels(line + " " + option)), line + " " + option);
    } else {
      var run = Run.of(("generate " + line + " " + option).split(" "));
      assertEquals(Main.USAGE, run.exitCode(), option);
      run.requireOneSentence("takes no " + name);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void everyBundledModelRuns(String model) throws IOException {
    int[] made = pixels(model + " --steps 3");
    assertArrayEquals(made, pixels(model + " --steps 3 --threads 1 --seed 0"));
    assertFalse(Arrays.equals(made, pixels(model + " --steps 2")), "steps");
    assertFalse(Arrays.equals(made, pixels(model + " --steps 3 --class 1")), "class");
    assertFalse(Arrays.equals(made, pixels(model + " --steps 3 --guidance 3.25")), "guidance");
    var json = Run.of("info", model, "--json").json();
    var sampling = json.object("sampling");
    assertArrayEquals(
        made,
        pixels(
            "%s --steps 3 --sampler %s --guidance %s --%s"
                .formatted(
                    model,
                    sampling.string("sampler"),
                    sampling.number("guidance"),
                    sampling.bool("clip") ? "clip" : "no-clip")),
        "what info says are the defaults");
  }

  @Test
  void theClassifierGuidesUnlessTheScaleIsZero() throws IOException {
    int[] guided = pixels("adm-digits --steps 3");
    int[] free = pixels("adm-digits --steps 3 --guidance 0");
    assertFalse(Arrays.equals(guided, free));
    var classifier = folder.resolve("classifier.safetensors");
    Run.of("convert", "adm-digits-classifier", classifier.toString()).requireDone();
    assertArrayEquals(guided, pixels("adm-digits --steps 3 --classifier " + classifier));
    var png = Files.readString(folder.resolve("picture.png"), StandardCharsets.ISO_8859_1);
    assertTrue(png.contains("guidance: 2.0"), png);
    assertTrue(png.contains("classifier: classifier.safetensors"), png);
    var unet = folder.resolve("unet.safetensors");
    Run.of("convert", "adm-digits", unet.toString()).requireDone();
    var run = Run.of("generate", "adm-digits", "--classifier", unet.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("unet.safetensors: holds adm-unet, no classifier");
    run = Run.of("generate", "dit-fruit", "--classifier", classifier.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("classifier.safetensors: looks at pictures of 16 pixels, these have 32");
  }

  @ParameterizedTest
  @CsvSource({
    "ddim25, ddim, 25",
    "5, ddpm, 5",
    "'2,3', ddpm, 5",
    "'2,3', ddim, 5",
  })
  void respacingCountsItsSteps(String respacing, String sampler, int steps) {
    var json =
        Run.of(
                "generate",
                "adm-digits",
                "--count",
                "1",
                "--sampler",
                sampler,
                "--respacing",
                respacing,
                "--json",
                "--out",
                folder.resolve("a.png").toString())
            .json();
    assertEquals(steps, json.integer("steps"));
    assertEquals(sampler, json.string("sampler"));
  }

  @Test
  void aFileOfPrompts() throws IOException {
    var file = folder.resolve("prompts.txt");
    requireFailure(file, "prompts.txt: cannot be read; give a file with a text on each line");
    Files.writeString(file, "\n  \n\t\n");
    requireFailure(file, "prompts.txt: holds no text; give one on each line");
    Files.write(file, new byte[] {'a', (byte) 0xFF, '\n'});
    requireFailure(file, "prompts.txt: is no UTF-8 text; convert it first");
    requireFailure(folder, "cannot be read");
    try (var channel = Files.newByteChannel(file, StandardOpenOption.WRITE)) {
      channel.position(1 << 25).write(ByteBuffer.allocate(1));
    }
    requireFailure(file, "prompts.txt: has more than 16777216 bytes; cut it into several files");
    Files.writeString(file, "a cat\na dog\n");
    var run = Run.of("generate", "--prompts", file.toString());
    assertEquals(Main.USAGE, run.exitCode());
    run.requireOneSentence("trained with texts, which this one was not");
  }

  private static void requireFailure(Path file, String said) {
    var run = Run.of("generate", "--prompts", file.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence(said);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          generate | --class --prompt --prompts --count --seed --rng --steps --respacing --sampler --eta --churn --order --spacing --levels --guidance --guidance-channels --[no-]clip --threshold --size --vae --text-encoder --classifier --upsampler --low-res --preset --config --device --dtype --backend --threads --batch --out --json --help
          forward  | --weights --config --preset --in --out --device --dtype --backend --threads --help
          info     | --config --preset --json --help
          convert  | --dtype --config --preset --help
          bench    | --batch --device --dtype --backend --threads --compare --steps --json --help
          devices  | --help
          """)
  void helpTellsEveryOption(String command, String options) {
    var run = Run.of("help", command);
    run.requireDone();
    var told = new ArrayList<String>();
    run.out()
        .lines()
        // not those of the synopsis, which stand further right
        .filter(line -> line.matches(" {2,6}(-h, )?--\\S.*"))
        .map(line -> line.strip().replaceFirst("^-h, ", "").split("[ =]")[0])
        .forEach(told::add);
    assertEquals(List.of(options.split(" ")), told, run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"adm-digits", "dit-fruit"})
  void jsonOfAFolderHasTheSameMembersAsThatOfASheet(String model) {
    var line = "generate " + model + " --count 2 --steps 2 --json --out ";
    var members =
        List.of(
            "files",
            "seed",
            "model",
            "sampler",
            "steps",
            "guidance",
            "total_s",
            "step_s",
            "load_s");
    for (var out : List.of("a.png", "a.npz", "folder", "folder")) {
      var json = Run.of((line + folder.resolve(out)).split(" ")).json();
      assertEquals(members, List.copyOf(json.members().keySet()), out);
      assertEquals(out.equals("folder") ? 2 : 1, json.array("files").items().size());
      assertEquals(model, json.string("model"));
      assertEquals(2, json.number("guidance"));
    }
  }
}
