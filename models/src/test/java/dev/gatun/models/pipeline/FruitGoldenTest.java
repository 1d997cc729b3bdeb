package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The bundled model draws the pictures that the authors' code drew from the same seed. */
class FruitGoldenTest {
  private static final int COUNT = 24;
  private static final int SIDE = 32;
  private static final int MOST_LEVELS = 2;

  @Test
  void theNoiseIsThatOfTorch() throws IOException {
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var x = backend.allocate(DType.F32, Shape.of(COUNT, SIDE, SIDE, 3));
        var nchw = Tensor.allocate(DType.F32, Shape.of(COUNT, 3, SIDE, SIDE))) {
      Noise.torch(0, backend).next(x);
      backend.toChannelsFirst(x, nchw);
      assertArrayEquals(golden().get("x_T").toFloats(), nchw.toFloats(), 1e-6f);
    }
  }

  @Test
  void thePicturesAreThoseOfTorch() throws Exception {
    var golden = golden();
    try (var pipeline = ImagePipeline.bundled("dit-fruit")) {
      var images =
          pipeline
              .request()
              .classes(IntStream.range(0, COUNT).toArray())
              .count(COUNT)
              .batch(COUNT)
              .seed(0)
              .rng(Rng.TORCH)
              .sampler("ddim")
              .steps(50)
              .eta(0)
              .guidance(2)
              .guidanceChannels(0)
              .clip(true)
              .generate();
      for (int i = 0; i < COUNT; i++) {
        assertEquals(golden.get("y").getLong(i), images.labels()[i]);
      }
      byte[] expected = levels(golden.get("x_0"));
      byte[] found = images.bytes();
      assertEquals(expected.length, found.length);
      int most = 0;
      int differing = 0;
      for (int i = 0; i < found.length; i++) {
        int distance = Math.abs((expected[i] & 0xFF) - (found[i] & 0xFF));
        most = Math.max(most, distance);
        differing += distance == 0 ? 0 : 1;
      }
      var report =
          "off by %d levels at most, %d of %d numbers differ"
              .formatted(most, differing, found.length);
      System.getLogger(FruitGoldenTest.class.getName()).log(System.Logger.Level.INFO, report);
      assertTrue(most <= MOST_LEVELS, report);
    }
  }

  /** The 8-bit levels, channels last, of a picture in NCHW order. */
  private static byte[] levels(Tensor nchw) {
    float[] samples = new float[(int) nchw.shape().size()];
    try (var nhwc = Tensor.allocate(DType.F32, Shape.of(COUNT, SIDE, SIDE, 3));
        var backend = Backend.open(Device.CPU, "reference", 1)) {
      backend.toChannelsLast(nchw, nhwc);
      samples = nhwc.toFloats();
    }
    return new GeneratedImages(
            COUNT, SIDE, SIDE, 3, samples, new long[COUNT], Rounding.NEAREST, new LinkedHashMap<>())
        .bytes();
  }

  @Test
  void theBackendsDrawTheSame() throws Exception {
    assertArrayEquals(fewSteps("reference"), fewSteps("cpu"), 2e-4f, "seed 5");
  }

  private static float[] fewSteps(String backendName) throws Exception {
    try (var backend = Backend.open(Device.CPU, backendName, 2);
        var bundled = BundledModels.open("dit-fruit");
        var pipeline =
            ImagePipeline.load(
                bundled.checkpoint(), ModelFile.recognise(bundled.checkpoint(), null), backend)) {
      return pipeline.request().classes("kiwi").seed(5).steps(4).generate().samples();
    }
  }

  private static Map<String, Tensor> golden() throws IOException {
    try (var file = GoldenFiles.open("dit-fruit.golden.safetensors")) {
      return GoldenFiles.tensors(file);
    }
  }
}
