package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The other operator tests would pass as well if a JVM computed with another width than asked. */
class VectorWidthTest {
  @Test
  void theBestBackendComputesWithTheWidthThatWasAskedFor() {
    int bits = Integer.getInteger("gatun.cpu.vectorBits", 0);
    try (var backend = Backend.open(Device.CPU, Precision.F32, 1)) {
      assertEquals("cpu", backend.name());
      var expected = bits == 0 ? "-bit vectors" : " " + bits + "-bit vectors";
      assertTrue(backend.description().contains(expected), backend.description());
    }
  }
}
