package dev.gatun.models.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.models.pipeline.GeneratedImages;
import dev.gatun.models.pipeline.ImagePipeline;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The bundled models draw on a GPU what they draw on the CPU. */
@EnabledOnOs(OS.LINUX)
class CudaGenerateTest {
  private static final int MOST_LEVELS = 1;

  @ParameterizedTest
  @CsvSource({"dit-fruit, 10", "adm-digits, 10", "diffit-digits, 10", "uvit-digits, 6"})
  void thePicturesAreThoseOfTheCpu(String name, int steps) throws Exception {
    byte[] expected;
    byte[] found;
    try (var cpu = Backend.open(Device.CPU)) {
      expected = draw(name, steps, cpu).bytes();
    }
    try (var cuda = SoftwareCuda.open()) {
      found = draw(name, steps, cuda).bytes();
    }
    assertEquals(0, SoftwareCuda.bytes(), name + " leaves memory on the device");
    assertEquals(expected.length, found.length);
    int most = 0;
    for (int i = 0; i < found.length; i++) {
      most = Math.max(most, Math.abs((expected[i] & 0xFF) - (found[i] & 0xFF)));
    }
    assertTrue(most <= MOST_LEVELS, name + ": off by " + most + " levels");
  }

  private static GeneratedImages draw(String name, int steps, Backend backend) throws Exception {
    try (var pipeline = ImagePipeline.bundledLoader(name).backend(backend).load()) {
      return pipeline.request().classes(1, 2).count(2).seed(3).steps(steps).generate();
    }
  }

  /**
   * From the second step on, the network is one graph, and every step takes as many calls. The
   * noise goes up and the picture comes down once, however many steps there are.
   */
  @Test
  void stepsAreReplayed() throws Exception {
    assumeTrue(!SoftwareCuda.HARDWARE, "the real device does not count calls");
    try (var cuda = SoftwareCuda.open();
        var pipeline = ImagePipeline.bundledLoader("dit-fruit").backend(cuda).load()) {
      draw(pipeline, 4); // what is done once is done
      var few = draw(pipeline, 8);
      var more = draw(pipeline, 16);
      assertEquals(7, few.graphs());
      assertEquals(15, more.graphs());
      assertEquals(few.uploads(), more.uploads());
      assertEquals(few.downloads(), more.downloads());
      var most = draw(pipeline, 24);
      assertEquals(more.calls() - few.calls(), most.calls() - more.calls());
      System.out.println(
          "calls of the driver and its libraries in a step: " + (more.calls() - few.calls()) / 8.0);
      System.out.println("copies for a picture: " + few);
    }
  }

  /** How often the device was called. */
  private record Calls(long calls, int graphs, int uploads, int downloads) {
    static Calls now() {
      return new Calls(
          SoftwareCuda.totalCalls(),
          SoftwareCuda.calls("cuGraphLaunch"),
          SoftwareCuda.calls("cuMemcpyHtoDAsync_v2"),
          SoftwareCuda.calls("cuMemcpyDtoHAsync_v2"));
    }

    Calls since(Calls before) {
      return new Calls(
          calls - before.calls,
          graphs - before.graphs,
          uploads - before.uploads,
          downloads - before.downloads);
    }
  }

  private static Calls draw(ImagePipeline pipeline, int steps) throws Exception {
    var before = Calls.now();
    pipeline.request().classes(1).seed(3).steps(steps).sampler("ddim").generate();
    return Calls.now().since(before);
  }
}
