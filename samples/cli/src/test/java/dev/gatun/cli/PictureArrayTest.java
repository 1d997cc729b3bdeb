package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.checkpoint.Npz;
import dev.gatun.models.checkpoint.NpzWriter;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.FutureTask;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code gatun generate --out FILE.npz}, and {@code --low-res}. */
class PictureArrayTest {
  @TempDir Path folder;

  private Run generate(String options, String out) {
    return Run.of(("generate " + options + " --out " + folder.resolve(out)).split(" +"));
  }

  private List<String> names() throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static byte[] bytes(Tensor tensor) {
    byte[] bytes = new byte[(int) tensor.shape().size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) tensor.getLong(i);
    }
    return bytes;
  }

  private static long[] longs(Tensor tensor) {
    long[] values = new long[(int) tensor.shape().size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = tensor.getLong(i);
    }
    return values;
  }

  @ParameterizedTest
  @CsvSource({
    "adm-digits, 16, all, '0,1,2,3,4,5,6'",
    "dit-fruit, 32, '23,4', '23,4,23,4,23,4,23'",
  })
  void theArrayHoldsThePicturesOfTheFolder(String model, int side, String classes, String labels)
      throws IOException {
    var options = model + " --count 7 --batch 2 --steps 2 --seed 3";
    if (!classes.equals("all")) {
      options += " --class " + classes;
    }
    var run = generate(options, "all.npz");
    run.requireDone();
    assertTrue(run.out().startsWith("wrote " + folder.resolve("all.npz") + ": 7 pictures, "));
    assertEquals(List.of("all.npz"), names(), "no temporary file is left");
    generate(options, "each").requireDone();
    try (var npz = Npz.open(folder.resolve("all.npz"))) {
      assertEquals(Set.of("arr_0", "arr_1"), npz.arrays().keySet());
      var pictures = npz.arrays().get("arr_0");
      assertEquals(DType.U8, pictures.dtype());
      assertEquals(Shape.of(7, side, side, 3), pictures.shape());
      var asked = npz.arrays().get("arr_1");
      assertEquals(DType.I64, asked.dtype());
      assertEquals(Shape.of(7), asked.shape());
      long[] expected = List.of(labels.split(",")).stream().mapToLong(Long::parseLong).toArray();
      assertArrayEquals(expected, npz.read("arr_1", PictureArrayTest::longs));
      assertArrayEquals(levels(7, side), npz.read("arr_0", PictureArrayTest::bytes));
    }
  }

  /** Red, green and blue of the numbered pictures. */
  private byte[] levels(int count, int side) throws IOException {
    byte[] levels = new byte[count * side * side * 3];
    int at = 0;
    for (int i = 0; i < count; i++) {
      var image = ImageIO.read(folder.resolve("each/00000" + i + ".png").toFile());
      for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
          for (int shift = 16; shift >= 0; shift -= 8) {
            levels[at++] = (byte) (image.getRGB(x, y) >> shift);
          }
        }
      }
    }
    return levels;
  }

  @Test
  void anInterruptLeavesWhatWasThere() throws Exception {
    Files.writeString(folder.resolve("all.npz"), "mine");
    var task = new FutureTask<>(() -> generate("adm-digits --count 100000 --steps 2", "all.npz"));
    var thread = Thread.ofPlatform().start(task);
    while (names().size() < 2 && thread.isAlive()) {
      Thread.sleep(1);
    }
    thread.interrupt();
    var run = task.get();
    assertEquals(Main.INTERRUPTED, run.exitCode(), run.err());
    run.requireOneSentence("stopped");
    assertEquals(List.of("all.npz"), names());
    assertEquals("mine", Files.readString(folder.resolve("all.npz")));
  }

  @Test
  void aWrongTargetIsSaidBeforeTheWork() throws IOException {
    Files.createDirectory(folder.resolve("folder.npz"));
    var run = generate("adm-digits", "folder.npz");
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("folder.npz: is a folder, expected a file");
    run = generate("adm-digits", "no/such.npz");
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("make it first");
    assertEquals(List.of("folder.npz"), names());
  }

  @Test
  void aSheetOfTooManyPicturesIsSaidBeforeTheWork() throws IOException {
    var run = generate("dit-fruit --count 1000000 --steps 1", "all.png");
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence(
        "all.png: 1000000 pictures are too many for one sheet, which takes up to 131072;"
            + " give --out a folder");
    assertEquals(List.of(), names());
  }

  @Test
  void picturesToEnlargeAreReadAsTheyWereWritten() throws IOException {
    var file = folder.resolve("small.npz");
    byte[] levels = new byte[2 * 4 * 4 * 3];
    for (int i = 0; i < levels.length; i++) {
      levels[i] = (byte) (i * 97);
    }
    try (var writer = NpzWriter.create(file, 2, 4, 4, 3)) {
      writer.write(Arrays.copyOf(levels, 48));
      writer.write(Arrays.copyOfRange(levels, 48, 96));
      writer.finish(new long[] {5, 9});
    }
    var images = LowResolution.read(file);
    assertEquals(2, images.count());
    assertEquals(4, images.width());
    assertArrayEquals(new long[] {5, 9}, images.labels());
    assertArrayEquals(levels, images.bytes());
    assertEquals(-1, images.samples()[0]);
    var run = Run.of("generate", "dit-fruit", "--low-res", file.toString());
    assertEquals(Main.USAGE, run.exitCode());
    run.requireOneSentence("this model enlarges no pictures");
  }

  @Test
  void picturesToEnlargeMustBeSquareBytes() throws IOException {
    var file = folder.resolve("wide.npz");
    try (var writer = NpzWriter.create(file, 1, 2, 4, 3)) {
      writer.write(new byte[24]);
      writer.finish();
    }
    var run = Run.of("generate", "dit-fruit", "--low-res", file.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("wide.npz: its pictures are [1, 2, 4, 3], expected square ones");
    Files.writeString(file, "no array at all");
    run = Run.of("generate", "dit-fruit", "--low-res", file.toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("wide.npz: is no .npz file");
  }
}
