package dev.gatun.models.vae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.RandomParameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Tiles against a plain rendering of what diffusers does, and the memory of a pass. */
class TilingTest {
  /** The golden's autoencoder with tiles of 8 latents, so pictures of 16 pixels. */
  private static AutoencoderKL load(Backend backend) throws IOException {
    var c = TinyAutoencoder.config();
    var config =
        new AutoencoderKLConfig(
            3, 3, c.blockOutChannels(), c.layersPerBlock(), 4, 4, c.normNumGroups(), 16, 1);
    return TinyAutoencoder.load(config, TinyAutoencoder.file(), backend);
  }

  /** Tiles of 8, one every 6, that are all 1, all 2 and so on, by hand. */
  @Test
  void theOverlapIsALinearRamp() {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var workspace = backend.workspace();
        var x = backend.allocate(DType.F32, Shape.of(1, 12, 9, 1));
        var out = backend.allocate(DType.F32, Shape.of(1, 12, 9, 1))) {
      int[] count = {0};
      var tiles =
          new TiledPass(
              backend,
              8,
              6,
              8,
              6,
              (operand, memory, result) -> {
                float[] values = new float[(int) result.shape().size()];
                Arrays.fill(values, ++count[0]);
                result.setFloats(values);
              });
      tiles.forward(x, workspace, out);
      assertEquals(4, count[0]);
      assertEquals(0, workspace.mark());
      float[] found = out.toFloats();
      // the ramp over two pixels is 0, ½: the first is the neighbour's, the second half of it
      assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1, 1, 1.5f, 2}, row(found, 0));
      assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1, 1, 1.5f, 2}, row(found, 5));
      // of the lower tiles this row is that of the upper ones, already blended with each other
      assertArrayEquals(new float[] {1, 1, 1, 1, 1, 1, 1, 1.25f, 2}, row(found, 6));
      // tile 3 is 2 there, half of 1 and 3; tile 4 is 2.75 and 3, half of 1.5, 2 and of 4
      assertArrayEquals(new float[] {2, 2, 2, 2, 2, 2, 2, 2.375f, 3}, row(found, 7), "row 7");
      assertArrayEquals(new float[] {3, 3, 3, 3, 3, 3, 3, 3.5f, 4}, row(found, 8));
      assertArrayEquals(new float[] {3, 3, 3, 3, 3, 3, 3, 3.5f, 4}, row(found, 11));
    }
  }

  private static float[] row(float[] map, int y) {
    return Arrays.copyOfRange(map, y * 9, y * 9 + 9);
  }

  @Test
  void decodesAsDiffusersDoes() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = load(backend);
        var workspace = backend.workspace();
        var z = AutoencoderKLGoldenTest.random(backend, Shape.of(2, 13, 9, 4));
        var images = backend.allocate(DType.F32, Shape.of(2, 26, 18, 3));
        var again = backend.allocate(DType.F32, Shape.of(2, 26, 18, 3))) {
      network.decode(z, 1, Tiling.ALWAYS, workspace, images);
      for (int i = 0; i < 2; i++) {
        float[] expected = diffusers(network, z.slice(i, i + 1), 8, 6, 16, 12, 4, true);
        assertArrayEquals(expected, images.slice(i, i + 1).toFloats(), 1e-5f, "sample " + i);
      }
      long held = workspace.bytes();
      network.decode(z, 1, Tiling.ALWAYS, workspace, again);
      assertArrayEquals(images.toFloats(), again.toFloats());
      assertEquals(held, workspace.bytes());
      network.decode(z, 1, workspace, again);
      assertTrue(distance(images, again) > 0.01, "a picture of 26×18 goes as a whole");
    }
  }

  @Test
  void encodesAsDiffusersDoes() throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = load(backend);
        var workspace = backend.workspace();
        // the odd row and column are in no latent
        var x = AutoencoderKLGoldenTest.random(backend, Shape.of(1, 21, 19, 3));
        var moments = backend.allocate(DType.F32, Shape.of(1, 10, 9, 8))) {
      network.encode(x, Tiling.ALWAYS, workspace, moments);
      float[] expected = diffusers(network, x, 16, 12, 8, 6, 2, false);
      assertArrayEquals(expected, moments.toFloats(), 1e-5f);
    }
  }

  @Test
  void aPictureOfOneTileIsNotCut() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = load(backend);
        var workspace = backend.workspace();
        var z = AutoencoderKLGoldenTest.random(backend, Shape.of(1, 8, 8, 4));
        var tiled = backend.allocate(DType.F32, Shape.of(1, 16, 16, 3));
        var whole = backend.allocate(DType.F32, Shape.of(1, 16, 16, 3))) {
      network.decode(z, 1, Tiling.ALWAYS, workspace, tiled);
      network.decode(z, 1, Tiling.NEVER, workspace, whole);
      assertArrayEquals(whole.toFloats(), tiled.toFloats());
    }
  }

  private static double distance(Tensor a, Tensor b) {
    double most = 0;
    for (long i = 0; i < a.shape().size(); i++) {
      most = Math.max(most, Math.abs(a.getFloat(i) - b.getFloat(i)));
    }
    return most;
  }

  /** A map of one sample on the heap. */
  private record Plane(int height, int width, int channels, float[] values) {
    static Plane of(Tensor t) {
      return new Plane(t.dim(1), t.dim(2), t.dim(3), t.toFloats());
    }

    static Plane empty(int height, int width, int channels) {
      return new Plane(height, width, channels, new float[height * width * channels]);
    }

    float get(int y, int x, int c) {
      return values[(y * width + x) * channels + c];
    }

    void set(int y, int x, int c, float value) {
      values[(y * width + x) * channels + c] = value;
    }

    Plane part(int top, int left, int rows, int columns) {
      var part = empty(Math.min(rows, height - top), Math.min(columns, width - left), channels);
      for (int y = 0; y < part.height; y++) {
        for (int x = 0; x < part.width; x++) {
          for (int c = 0; c < channels; c++) {
            part.set(y, x, c, get(top + y, left + x, c));
          }
        }
      }
      return part;
    }
  }

  /** All tiles first, then blended in place with their upper and left neighbours, then cut. */
  private static float[] diffusers(
      AutoencoderKL network,
      Tensor x,
      int tile,
      int step,
      int outTile,
      int limit,
      int blend,
      boolean decode) {
    var whole = Plane.of(x);
    int rows = 0;
    int columns = 0;
    var tiles = new Plane[16][16];
    for (int top = 0; top < whole.height / (decode ? 1 : 2) * (decode ? 1 : 2); top += step) {
      columns = 0;
      for (int left = 0; left < whole.width / (decode ? 1 : 2) * (decode ? 1 : 2); left += step) {
        tiles[rows][columns++] = one(network, whole.part(top, left, tile, tile), decode);
      }
      rows++;
    }
    int height = 0;
    int width = 0;
    for (int i = 0; i < rows; i++) {
      height += Math.min(limit, tiles[i][0].height);
    }
    for (int j = 0; j < columns; j++) {
      width += Math.min(limit, tiles[0][j].width);
    }
    var out = Plane.empty(height, width, tiles[0][0].channels);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        var t = tiles[i][j];
        assertTrue(t.height <= outTile && t.width <= outTile);
        if (i > 0) {
          blendV(tiles[i - 1][j], t, blend);
        }
        if (j > 0) {
          blendH(tiles[i][j - 1], t, blend);
        }
        for (int y = 0; y < Math.min(limit, t.height); y++) {
          for (int w = 0; w < Math.min(limit, t.width); w++) {
            for (int c = 0; c < t.channels; c++) {
              out.set(i * limit + y, j * limit + w, c, t.get(y, w, c));
            }
          }
        }
      }
    }
    return out.values;
  }

  private static void blendV(Plane a, Plane b, int blend) {
    int n = Math.min(Math.min(a.height, b.height), blend);
    for (int y = 0; y < n; y++) {
      for (int x = 0; x < b.width; x++) {
        for (int c = 0; c < b.channels; c++) {
          float from = a.get(a.height - n + y, x, c);
          b.set(y, x, c, from * (1 - (float) y / n) + b.get(y, x, c) * ((float) y / n));
        }
      }
    }
  }

  private static void blendH(Plane a, Plane b, int blend) {
    int n = Math.min(Math.min(a.width, b.width), blend);
    for (int x = 0; x < n; x++) {
      for (int y = 0; y < b.height; y++) {
        for (int c = 0; c < b.channels; c++) {
          float from = a.get(y, a.width - n + x, c);
          b.set(y, x, c, from * (1 - (float) x / n) + b.get(y, x, c) * ((float) x / n));
        }
      }
    }
  }

  private static Plane one(AutoencoderKL network, Plane x, boolean decode) {
    int height = decode ? 2 * x.height : x.height / 2;
    int width = decode ? 2 * x.width : x.width / 2;
    try (var workspace = network.backend().workspace();
        var operand = Tensor.of(Shape.of(1, x.height, x.width, x.channels), x.values);
        var result = Tensor.allocate(DType.F32, Shape.of(1, height, width, decode ? 3 : 8))) {
      if (decode) {
        network.decode(operand, 1, Tiling.NEVER, workspace, result);
        return Plane.of(result);
      }
      network.encode(operand, Tiling.NEVER, workspace, result);
      return Plane.of(result);
    }
  }

  /**
   * The published autoencoder with a quarter of the channels, on 1/64 of the pixels of a picture of
   * 512×512: maps of 256 times fewer bytes than the 576 and 384 MiB that the documentation states.
   */
  @Test
  void memoryIsThatOfTheLargestStage() {
    var config = new AutoencoderKLConfig(3, 3, List.of(32, 64, 128, 128), 2, 4, 4, 32, 32, 1);
    long mib = 1 << 20;
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = new AutoencoderKL(config, new RandomParameters(), backend);
        var z = AutoencoderKLGoldenTest.random(backend, Shape.of(1, 8, 8, 4));
        var image = backend.allocate(DType.F32, Shape.of(1, 64, 64, 3));
        var moments = backend.allocate(DType.F32, Shape.of(1, 8, 8, 8))) {
      long pixels = 64 * 64;
      long decode = memory(network, workspace -> network.decode(z, 1, workspace, image));
      assertTrue(
          decode >= pixels * 2304 / 4 && decode <= pixels * 2304 / 4 + mib, decode + " bytes");
      long encode = memory(network, workspace -> network.encode(image, workspace, moments));
      assertTrue(
          encode >= pixels * 1536 / 4 && encode <= pixels * 1536 / 4 + mib, encode + " bytes");
      long tiled =
          memory(network, workspace -> network.decode(z, 1, Tiling.ALWAYS, workspace, image));
      assertTrue(tiled <= mib, tiled + " bytes in tiles of 32×32");
    }
  }

  private static long memory(AutoencoderKL network, Consumer<Workspace> pass) {
    try (var workspace = network.backend().workspace()) {
      pass.accept(workspace);
      return workspace.bytes();
    }
  }
}
