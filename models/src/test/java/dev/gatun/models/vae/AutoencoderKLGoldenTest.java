package dev.gatun.models.vae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The autoencoder against what diffusers computed with the same weights. */
class AutoencoderKLGoldenTest {
  private static final double TOLERANCE = 2e-5;
  private static final long SEED = 5;
  private static final int PASSES = 3;

  @ParameterizedTest
  @CsvSource({"cpu, 1", "cpu, 2", "reference, 1"})
  void agreesWithDiffusers(String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = TinyAutoencoder.load(backend)) {
      assertEquals(backendName, backend.name());
      assertEquals(threads, backend.threads());
      var golden = TinyAutoencoder.golden();
      var found = network.evaluate(golden);
      assertEquals(Set.of("mean", "logvar", "image"), found.keySet());
      for (var entry : found.entrySet()) {
        double error = GoldenFiles.error(golden.get(entry.getKey()), entry.getValue());
        assertTrue(error <= TOLERANCE, entry.getKey() + " is off by " + error);
        entry.getValue().close();
      }
    }
  }

  @Test
  void whatIsNotAskedForIsNotComputed() throws IOException {
    var golden = TinyAutoencoder.golden();
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = TinyAutoencoder.load(backend)) {
      var z = Map.of("z", golden.get("z"));
      assertEquals(Set.of("image"), network.evaluate(z).keySet());
      var x = Map.of("x", golden.get("x"));
      assertEquals(Set.of("mean", "logvar"), network.evaluate(x).keySet());
    }
  }

  @Test
  void aDecoderNeedsNoEncoder() throws IOException {
    var file = TinyAutoencoder.file();
    var config = TinyAutoencoder.config();
    var layout = TinyAutoencoder.FAMILY.layout(file.shapes()).orElseThrow();
    var half = new LinkedHashMap<>(file.tensors());
    half.keySet().removeIf(key -> key.startsWith("encoder.") || key.startsWith("quant_conv."));
    assertTrue(half.size() < file.tensors().size());
    var parameters = layout.adapt(config, new TensorParameters(half));
    var golden = TinyAutoencoder.golden();
    var z = Map.of("z", golden.get("z"));
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var whole = TinyAutoencoder.load(backend);
        var decoder = AutoencoderKL.decoder(config, parameters, backend);
        var expected = whole.evaluate(z).get("image");
        var found = decoder.evaluate(z).get("image")) {
      assertArrayEquals(expected.toFloats(), found.toFloats());
      var x = Map.of("x", golden.get("x"));
      var thrown = assertThrows(IllegalStateException.class, () -> decoder.evaluate(x));
      assertEquals(
          "this autoencoder only decodes: load the whole one with its constructor",
          thrown.getMessage());
    }
  }

  @Test
  void bitsDependNeitherOnThreadsNorOnTheBatchNorOnTheWorkspace() throws IOException {
    var z = TinyAutoencoder.golden().get("z");
    float[] both;
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = TinyAutoencoder.load(backend)) {
      both = image(network, z);
      int half = both.length / 2;
      for (int i = 0; i < 2; i++) {
        float[] alone = image(network, z.slice(i, i + 1));
        for (int j = 0; j < half; j++) {
          assertEquals(both[i * half + j], alone[j], "sample " + i + ", element " + j);
        }
      }
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = TinyAutoencoder.load(backend)) {
      assertArrayEquals(both, image(network, z), "two threads");
      assertArrayEquals(both, image(network, z), "two threads, again");
    }
  }

  private static float[] image(AutoencoderKL network, Tensor z) {
    try (var out = network.evaluate(Map.of("z", z)).get("image")) {
      return out.toFloats();
    }
  }

  /** Latents that were scaled for a diffusion model give the same picture. */
  @ParameterizedTest
  @CsvSource({"0.18215", "0.23010"})
  void scaledLatentsAreScaledBack(double scale) throws IOException {
    var golden = TinyAutoencoder.golden();
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = TinyAutoencoder.load(backend);
        var workspace = backend.workspace();
        var z = backend.allocate(DType.F32, Shape.of(2, 8, 6, 4));
        var images = backend.allocate(DType.F32, Shape.of(2, 16, 12, 3));
        var nchw = backend.allocate(DType.F32, Shape.of(2, 3, 16, 12))) {
      backend.toChannelsLast(golden.get("z"), z);
      backend.combine(scale, z, 0, null, z);
      network.decode(z, scale, workspace, images);
      backend.toChannelsFirst(images, nchw);
      double error = GoldenFiles.error(golden.get("image"), nchw);
      assertTrue(error <= TOLERANCE, "image is off by " + error);
    }
  }

  @ParameterizedTest
  @CsvSource({"cpu, 1", "cpu, 2", "reference, 1"})
  void decodingAndEncodingAllocateNothingAfterTheFirst(String backendName, int threads)
      throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = TinyAutoencoder.load(backend);
        var workspace = backend.workspace();
        var z = random(backend, Shape.of(2, 4, 6, 4));
        var first = backend.allocate(DType.F32, Shape.of(2, 8, 12, 3));
        var images = backend.allocate(DType.F32, Shape.of(2, 8, 12, 3));
        var moments = backend.allocate(DType.F32, Shape.of(2, 4, 6, 8))) {
      network.decode(z, 0.2, workspace, first);
      network.encode(first, workspace, moments);
      long held = workspace.bytes();
      // Vectors are objects until the compiler has seen the loops, so it takes some passes.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 500 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          network.decode(z, 0.2, workspace, images);
          network.encode(images, workspace, moments);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
        assertEquals(0, workspace.mark());
      }
      assertTrue(least < 512, "a decode and an encode allocate " + least + " bytes on the heap");
      assertEquals(held, workspace.bytes());
      assertArrayEquals(first.toFloats(), images.toFloats(), "seed " + SEED);
    }
  }

  @Test
  void whatIsTimedComputesOnTheNetworksOwnWeights() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 2)) {
      var network = TinyAutoencoder.load(backend);
      try (var trial = network.trial(2)) {
        trial.run();
        trial.run();
        network.close();
        assertThrows(IllegalStateException.class, trial::run);
      }
    }
  }

  /** One network serves pictures of several sizes and workspaces in turn. */
  @Test
  void sizesMayAlternate() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = TinyAutoencoder.load(backend);
        var small = random(backend, Shape.of(1, 2, 3, 4));
        var large = random(backend, Shape.of(1, 5, 4, 4));
        var workspace = backend.workspace()) {
      float[] smallImage = decode(network, small, workspace);
      float[] largeImage = decode(network, large, workspace);
      assertArrayEquals(smallImage, decode(network, small, workspace));
      try (var other = backend.workspace()) {
        assertArrayEquals(largeImage, decode(network, large, other));
      }
      assertArrayEquals(largeImage, decode(network, large, workspace));
    }
  }

  private static float[] decode(AutoencoderKL network, Tensor z, Workspace workspace) {
    try (var image =
        Tensor.allocate(DType.F32, Shape.of(z.dim(0), 2 * z.dim(1), 2 * z.dim(2), 3))) {
      network.decode(z, 1, workspace, image);
      return image.toFloats();
    }
  }

  static Tensor random(Backend backend, Shape shape) {
    var random = new Random(SEED);
    var x = backend.allocate(DType.F32, shape);
    for (long i = 0; i < shape.size(); i++) {
      x.setFloat(i, (float) random.nextGaussian());
    }
    return x;
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = TinyAutoencoder.load(backend);
        var workspace = backend.workspace()) {
      refused(() -> network.evaluate(Map.of()), "the input x is missing");
      refused(
          () -> network.evaluate(Map.of("z", zeros(1, 8, 8, 4))), "z is [1, 8, 8, 4]", "[N, 4,");
      refused(() -> network.evaluate(Map.of("z", zeros(4, 8, 8))), "z is [4, 8, 8]", "4 axes");
      refused(() -> network.evaluate(Map.of("z", zeros(1, 4, 0, 8))), "latents are [1, 0, 8, 4]");
      refused(() -> network.evaluate(Map.of("x", zeros(1, 3, 1, 8))), "at least 2×2 pixels");
      refused(
          () -> network.decode(zeros(1, 8, 8, 4), 1, workspace, zeros(1, 16, 8, 3)),
          "the images are [1, 16, 8, 3]",
          "expected [1, 16, 16, 3]");
      refused(
          () -> network.encode(zeros(1, 17, 8, 3), workspace, zeros(1, 9, 4, 8)),
          "the moments are [1, 9, 4, 8]",
          "expected [1, 8, 4, 8]");
      refused(
          () -> network.decode(zeros(1, 1, 1 << 20, 4), 1, workspace, zeros(1, 1, 1, 3)),
          "at most 2^20 pixels");
    }
  }

  private static void refused(Executable code, String... facts) {
    var e = assertThrows(IllegalArgumentException.class, code);
    for (var fact : facts) {
      assertTrue(e.getMessage().contains(fact), e.getMessage());
    }
  }

  private static Tensor zeros(int... dims) {
    return Tensor.allocate(DType.F32, Shape.of(dims));
  }
}
