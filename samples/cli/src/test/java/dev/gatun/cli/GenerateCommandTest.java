package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.ImagePipeline;
import dev.gatun.models.pipeline.Rng;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import javax.imageio.metadata.IIOMetadataNode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun generate} on the bundled model. */
class GenerateCommandTest {
  @TempDir Path folder;

  private String in(String name) {
    return folder.resolve(name).toString();
  }

  @Test
  void writesTheSheetThatThePipelineMakes() throws Exception {
    var file = folder.resolve("fruit.png");
    var run =
        Run.of(
            ("generate --class strawberry,banana --count 3 --seed 7 --steps 2 --guidance 1.5 --out "
                    + file)
                .split(" "));
    run.requireDone();
    assertTrue(
        run.out().matches("wrote \\Q" + file + "\\E: 3 pictures, [0-9.]+ m?s\\R"), run.out());
    try (var pipeline = ImagePipeline.bundled("dit-fruit")) {
      var images =
          pipeline
              .request()
              .classes("strawberry", "banana")
              .count(3)
              .seed(7)
              .steps(2)
              .guidance(1.5)
              .generate();
      assertSame(images.grid(), ImageIO.read(file.toFile()));
      assertEquals(images.describe(), text(file));
    }
    assertTrue(text(file).contains("model: dit-fruit, seed: 7"), text(file));
    assertTrue(text(file).contains("classes: 23,2"), text(file));
    assertEquals(List.of("fruit.png"), names(), "no temporary file is left");
  }

  @Test
  void jsonIsOneObject() {
    var json =
        Run.of(
                ("generate --count 1 --seed -3 --steps 2 --sampler ddpm --guidance 1 --json --out "
                        + in("a.png"))
                    .split(" "))
            .json();
    assertEquals(
        Set.of(
            "files",
            "seed",
            "model",
            "sampler",
            "steps",
            "guidance",
            "total_s",
            "step_s",
            "load_s"),
        json.members().keySet());
    assertEquals(List.of(new JsonString(in("a.png"))), json.array("files").items());
    assertEquals(-3, json.integer("seed"));
    assertEquals("dit-fruit", json.string("model"));
    assertEquals("ddpm", json.string("sampler"));
    assertEquals(2, json.integer("steps"));
    assertEquals(1, json.number("guidance"));
    assertTrue(json.number("step_s") > 0);
    assertTrue(json.number("load_s") > 0);
    assertTrue(
        json.number("total_s") > json.number("load_s") + 2 * json.number("step_s") - 1e-5,
        json.toString());
  }

  @Test
  void aFolderGetsNumberedPictures() throws Exception {
    var json =
        Run.of(
                ("generate --count 3 --batch 2 --steps 2 --seed 1 --json --out " + in("some/fruit"))
                    .split(" "))
            .json();
    assertEquals(3, json.array("files").items().size());
    try (var pipeline = ImagePipeline.bundled("dit-fruit")) {
      var images = pipeline.request().count(3).steps(2).seed(1).generate();
      for (int i = 0; i < 3; i++) {
        var file = folder.resolve("some/fruit/00000" + i + ".png");
        assertSame(images.image(i), ImageIO.read(file.toFile()));
        assertTrue(text(file).endsWith(", picture: " + i), text(file));
      }
    }
  }

  @Test
  void everySettingReachesThePicture() throws Exception {
    var plain = bytes("plain");
    for (var option :
        List.of(
            "--rng torch",
            "--rng cuda",
            "--sampler ddpm",
            "--eta 1",
            "--guidance 4",
            "--guidance-channels 1",
            "--no-clip",
            "--seed 2",
            "--steps 3",
            "--class tomato")) {
      assertFalse(java.util.Arrays.equals(plain, bytes("other", option.split(" "))), option);
    }
    assertArrayEquals(plain, bytes("other", "--threads", "1", "--clip", "--batch", "1"));
    assertArrayEquals(plain, bytes("other", "--rng", "IMAGE", "--guidance-channels", "all"));
  }

  private int[] bytes(String name, String... options) throws IOException {
    var file = folder.resolve(name + ".png");
    var arguments = new java.util.ArrayList<String>();
    arguments.addAll(List.of("generate", "--count", "1", "--out", file.toString()));
    if (!List.of(options).contains("--steps")) {
      arguments.addAll(List.of("--steps", "2"));
    }
    arguments.addAll(List.of(options));
    Run.of(arguments.toArray(String[]::new)).requireDone();
    return pixels(ImageIO.read(file.toFile()));
  }

  @Test
  void torchNoiseIsThatOfThePipeline() throws Exception {
    Run.of(
            ("generate --rng torch --seed 5 --count 2 --steps 2 --backend reference --out "
                    + in("t.png"))
                .split(" "))
        .requireDone();
    assertTrue(text(folder.resolve("t.png")).contains("rng: torch"));
    assertTrue(text(folder.resolve("t.png")).contains("backend: reference"));
    try (var pipeline = ImagePipeline.bundled("dit-fruit")) {
      var images = pipeline.request().rng(Rng.TORCH).seed(5).count(2).steps(2).generate();
      int[] expected = pixels(images.grid());
      int[] found = pixels(ImageIO.read(folder.resolve("t.png").toFile()));
      for (int i = 0; i < expected.length; i++) {
        // two backends: one level of rounding
        for (int shift = 0; shift < 24; shift += 8) {
          assertEquals(expected[i] >> shift & 255, found[i] >> shift & 255, 1, "pixel " + i);
        }
      }
    }
  }

  @Test
  void classesByNameOrNumber() throws Exception {
    assertArrayEquals(bytes("name", "--class", "Cactus Fruit"), bytes("number", "--class", "4"));
  }

  @Test
  void aBrokenFileIsNamed() throws IOException {
    var broken = folder.resolve("broken.safetensors");
    Files.write(broken, new byte[] {1, 2, 3});
    var run = Run.of("generate", broken.toString(), "--out", in("x.png"));
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("broken.safetensors: ");
    assertEquals(List.of("broken.safetensors"), names());
  }

  @Test
  void anInterruptStopsAtTheNextStepAndLeavesNoFile() throws IOException {
    Thread.currentThread().interrupt();
    var run = Run.of("generate", "--count", "1", "--out", in("x.png"));
    assertFalse(Thread.interrupted(), "the interrupt is used up");
    assertEquals(Main.INTERRUPTED, run.exitCode(), run.err());
    run.requireOneSentence("stopped");
    assertEquals(List.of(), names());
  }

  @Test
  void aWrongTargetIsSaidBeforeTheWork() throws IOException {
    Files.createDirectory(folder.resolve("folder.png"));
    var run = Run.of("generate", "--out", in("folder.png"));
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("folder.png: is a folder");
    Files.writeString(folder.resolve("file"), "mine");
    run = Run.of("generate", "--out", in("file"));
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("file: is a file, expected a folder");
    assertEquals("mine", Files.readString(folder.resolve("file")));
  }

  @Test
  void theDefaultNameTellsModelAndSeed() {
    assertEquals(
        new PictureSheet(Path.of("dit-fruit-7.png")), PictureTarget.of(null, "dit-fruit", 7));
    assertEquals(
        new PictureSheet(Path.of("a.b-0.png")), PictureTarget.of(null, "a.b.safetensors", 0));
    assertEquals(new PictureSheet(Path.of("A.PNG")), PictureTarget.of("A.PNG", "x", 0));
    assertEquals(new PictureArray(Path.of("a.NPZ")), PictureTarget.of("a.NPZ", "x", 0));
    assertEquals(new PictureFolder(Path.of("a")), PictureTarget.of("a", "x", 0));
  }

  @Test
  void otherAlphabetsAreWrittenAsUnicode() throws IOException {
    var file = folder.resolve("unicode.png");
    var image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_RGB);
    image.setRGB(0, 0, 0x123456);
    try (var out = Files.newOutputStream(file)) {
      Png.write(image, "parameters", "model: 果物", out);
    }
    assertEquals("model: 果物", text(file));
    assertSame(image, ImageIO.read(file.toFile()));
  }

  private List<String> names() throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(f -> f.getFileName().toString()).sorted().collect(Collectors.toList());
    }
  }

  private static void assertSame(BufferedImage expected, BufferedImage found) {
    assertEquals(expected.getWidth(), found.getWidth());
    assertEquals(expected.getHeight(), found.getHeight());
    assertArrayEquals(pixels(expected), pixels(found));
  }

  private static int[] pixels(BufferedImage image) {
    int width = image.getWidth();
    return image.getRGB(0, 0, width, image.getHeight(), null, 0, width);
  }

  /** The text "parameters" of a PNG, read by the JDK. */
  private static String text(Path file) throws IOException {
    var reader = ImageIO.getImageReadersByFormatName("png").next();
    try (var in = ImageIO.createImageInputStream(file.toFile())) {
      reader.setInput(in);
      var root = reader.getImageMetadata(0).getAsTree("javax_imageio_png_1.0");
      for (var chunk = root.getFirstChild(); chunk != null; chunk = chunk.getNextSibling()) {
        if (chunk.getNodeName().equals("tEXt") || chunk.getNodeName().equals("iTXt")) {
          var entry = (IIOMetadataNode) chunk.getFirstChild();
          assertEquals("parameters", entry.getAttribute("keyword"));
          return entry.getAttribute(chunk.getNodeName().equals("tEXt") ? "value" : "text");
        }
      }
      throw new AssertionError("no text in " + file);
    } finally {
      reader.dispose();
    }
  }
}
