package dev.gatun.models.adm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.Network;
import dev.gatun.models.diffusion.Allocated;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ADM's UNet against what the authors' code computed with the same weights. */
class AdmGoldenTest {
  private static final double TOLERANCE = 2e-5;
  private static final long SEED = 5;
  private static final int PASSES = 4;

  @ParameterizedTest
  @CsvSource({
    "adm-tiny, cpu, 1",
    "adm-tiny, cpu, 2",
    "adm-tiny, reference, 1",
    "adm-tiny-plain, cpu, 1",
    "adm-tiny-plain, cpu, 2",
    "adm-tiny-plain, reference, 1",
    "adm-superres-tiny, cpu, 1",
    "adm-superres-tiny, cpu, 2",
    "adm-superres-tiny, reference, 1"
  })
  void agreesWithTheAuthorsCode(String name, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = Goldens.network(name, backend)) {
      assertEquals(backendName, backend.name());
      assertEquals(threads, backend.threads());
      var golden = Goldens.io(name);
      try (var out = network.evaluate(golden).get("out")) {
        double error = GoldenFiles.error(golden.get("out"), out);
        assertTrue(error <= TOLERANCE, "out is off by " + error);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"adm-tiny", "adm-tiny-plain"})
  void bitsDependNeitherOnThreadsNorOnTheBatch(String name) throws IOException {
    var golden = Goldens.io(name);
    float[] one;
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = Goldens.network(name, backend)) {
      one = evaluate(network, golden);
      assertArrayEquals(one, evaluate(network, golden), "a second evaluation");
      int samples = golden.get("x").dim(0);
      int size = one.length / samples;
      for (int i = 0; i < samples; i++) {
        assertArrayEquals(
            Arrays.copyOfRange(one, i * size, (i + 1) * size),
            evaluate(network, Goldens.sample(golden, i)),
            "sample " + i + " alone");
      }
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = Goldens.network(name, backend)) {
      assertArrayEquals(one, evaluate(network, golden), "two threads");
    }
  }

  private static float[] evaluate(Network network, Map<String, Tensor> inputs) {
    try (var out = network.evaluate(inputs).get("out")) {
      return out.toFloats();
    }
  }

  /** What a denoising loop does: the same pass over one workspace again and again. */
  @ParameterizedTest
  @CsvSource({
    "adm-tiny, cpu, 1",
    "adm-tiny, cpu, 2",
    "adm-tiny-plain, cpu, 2",
    "adm-tiny, reference, 1"
  })
  void aPassAllocatesNothingAfterTheFirstAndGivesTheSameBits(
      String name, String backendName, int threads) throws IOException {
    try (var backend = Backend.open(Device.CPU, backendName, threads);
        var network = (AdmUNet) Goldens.network(name, backend);
        var workspace = backend.workspace();
        var x = random(backend, Shape.of(2, 8, 8, 3));
        var t = Tensor.of(Shape.of(2), 0f, 499.5f);
        var y = Tensor.of(Shape.of(2), 0L, 9L);
        var first = backend.allocate(DType.F32, Shape.of(2, 8, 8, network.config().outChannels()));
        var out = backend.allocate(DType.F32, first.shape())) {
      network.forward(x, t, y, workspace, first);
      long held = workspace.bytes();
      // Vectors are objects until the compiler has seen the loops, so it takes some passes.
      long least = Long.MAX_VALUE;
      for (int round = 0; round < 500 && least >= 512; round++) {
        long before = Allocated.bytes();
        for (int i = 0; i < PASSES; i++) {
          network.forward(x, t, y, workspace, out);
        }
        least = Math.min(least, (Allocated.bytes() - before) / PASSES);
        assertEquals(0, workspace.mark());
      }
      assertTrue(least < 512, "a pass allocates " + least + " bytes on the heap");
      assertEquals(held, workspace.bytes(), "bytes of the workspace");
      assertArrayEquals(first.toFloats(), out.toFloats(), "seed " + SEED);
    }
  }

  /** Whatever the sampler's batch, the small pictures are those that were given. */
  @Test
  void anUpsamplerIsANetworkOfThreeChannels() throws IOException {
    var golden = Goldens.io("adm-superres-tiny");
    try (var backend = Backend.open(Device.CPU, "cpu", 1);
        var network = (AdmUNet) Goldens.network("adm-superres-tiny", backend);
        var small = channelsLast(backend, golden.get("low_res"));
        var enlarging = new AdmSuperRes(network, small);
        var x = channelsLast(backend, golden.get("x"));
        var workspace = backend.workspace();
        var out = backend.allocate(DType.F32, Shape.of(1, 16, 16, 6));
        var expected = channelsLast(backend, golden.get("out"))) {
      assertEquals(3, enlarging.config().inChannels());
      for (int step = 0; step < 2; step++) {
        enlarging.forward(x, golden.get("t"), golden.get("y"), workspace, out);
        double error = GoldenFiles.error(expected, out);
        assertTrue(error <= TOLERANCE, "out is off by " + error + " in step " + step);
      }
      try (var two = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3))) {
        var e =
            assertThrows(
                IllegalArgumentException.class,
                () -> enlarging.forward(two, golden.get("t"), null, workspace, out));
        assertTrue(e.getMessage().contains("is to be [1, 16, 16, 3]"), e.getMessage());
      }
    }
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var network = (AdmUNet) Goldens.network("adm-tiny", backend);
        var small = backend.allocate(DType.F32, Shape.of(1, 4, 4, 3))) {
      var e = assertThrows(IllegalArgumentException.class, () -> new AdmSuperRes(network, small));
      assertTrue(e.getMessage().contains("does not enlarge"), e.getMessage());
    }
  }

  private static Tensor channelsLast(Backend backend, Tensor nchw) {
    var nhwc =
        backend.allocate(DType.F32, Shape.of(nchw.dim(0), nchw.dim(2), nchw.dim(3), nchw.dim(1)));
    backend.toChannelsLast(nchw, nhwc);
    return nhwc;
  }

  /** Nothing in the network depends on the size of the pictures: both backends agree on others. */
  @Test
  void anyMultipleOfTheReductionWorks() throws IOException {
    float[] expected;
    try (var backend = Backend.open(Device.CPU, "reference", 1)) {
      expected = wide(backend);
    }
    try (var backend = Backend.open(Device.CPU, "cpu", 2)) {
      float[] found = wide(backend);
      var shape = Shape.of(1, 6, 8, 20);
      double error = GoldenFiles.error(Tensor.of(shape, expected), Tensor.of(shape, found));
      assertTrue(error <= TOLERANCE, "off by " + error + ", seed " + SEED);
    }
  }

  private static float[] wide(Backend backend) throws IOException {
    try (var network = Goldens.network("adm-tiny", backend);
        var x = random(backend, Shape.of(1, 3, 8, 20));
        var t = Tensor.of(Shape.of(1), 250f);
        var y = Tensor.of(Shape.of(1), 4L)) {
      return evaluate(network, Map.of("x", x, "t", t, "y", y));
    }
  }

  private static Tensor random(Backend backend, Shape shape) {
    var random = new Random(SEED);
    var x = backend.allocate(DType.F32, shape);
    for (long i = 0; i < shape.size(); i++) {
      x.setFloat(i, (float) random.nextGaussian());
    }
    return x;
  }

  @Test
  void wrongInputsAreNamed() throws IOException {
    try (var backend = Backend.open(Device.CPU, "reference", 1)) {
      refused("adm-tiny", backend, "y", null, "the input y is missing");
      refused("adm-tiny", backend, "x", zeros(2, 4, 16, 16), "x is [2, 4, 16, 16]", "[N, 3, H, W]");
      refused("adm-tiny", backend, "x", zeros(2, 3, 16, 18), "multiples of 4");
      refused("adm-tiny", backend, "t", zeros(3), "t is [3]", "[2]");
      refused("adm-tiny", backend, "y", Tensor.of(Shape.of(2), 0, 10), "y holds 10", "0 to 9");
      refused("adm-superres-tiny", backend, "low_res", null, "the input low_res is missing");
      refused("adm-superres-tiny", backend, "low_res", zeros(2, 3, 4, 4), "[1, 16, 16, 3]");
    }
  }

  private static void refused(
      String network, Backend backend, String name, Tensor instead, String... facts)
      throws IOException {
    var inputs = new HashMap<>(Goldens.io(network));
    inputs.remove(name);
    if (instead != null) {
      inputs.put(name, instead);
    }
    try (var net = Goldens.network(network, backend)) {
      var e = assertThrows(IllegalArgumentException.class, () -> net.evaluate(inputs));
      for (var fact : facts) {
        assertTrue(e.getMessage().contains(fact), e.getMessage());
      }
    }
  }

  private static Tensor zeros(int... dims) {
    return Tensor.allocate(DType.F32, Shape.of(dims));
  }
}
