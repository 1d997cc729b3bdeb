package dev.gatun.models.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
  @CsvSource({"dit-fruit, 20", "adm-digits, 20", "diffit-digits, 20", "uvit-digits, 10"})
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

  /** From the third step on, the network is one call. */
  @Test
  void stepsAreReplayed() throws Exception {
    int steps = 12;
    try (var cuda = SoftwareCuda.open();
        var pipeline = ImagePipeline.bundledLoader("dit-fruit").backend(cuda).load()) {
      long before = SoftwareCuda.graphLaunches();
      pipeline.request().classes(1).seed(3).steps(steps).sampler("ddim").generate();
      long launched = SoftwareCuda.graphLaunches() - before;
      assertTrue(
          Boolean.getBoolean("gatun.test.hardware") || launched == steps - 1,
          launched + " graphs in " + steps + " steps");
    }
  }
}
