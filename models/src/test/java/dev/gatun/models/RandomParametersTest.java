package dev.gatun.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.dit.DiT;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RandomParametersTest {
  private final RandomParameters parameters = new RandomParameters();

  @Test
  void matricesKeepTheSizeOfActivations() {
    float[] matrix = parameters.read("a.weight", Shape.of(301, 257), Tensor::toFloats);
    double sum = 0;
    double squares = 0;
    for (float value : matrix) {
      sum += value;
      squares += value * value;
    }
    assertEquals(0, sum / matrix.length, 1e-3);
    assertEquals(1.0 / 257, squares / matrix.length, 1e-2 / 257);
  }

  @Test
  void aKeyAlwaysHasTheSameTensor() {
    var shape = Shape.of(3, 5);
    float[] a = parameters.read("a", shape, Tensor::toFloats);
    assertArrayEquals(a, parameters.read("a", shape, Tensor::toFloats));
    assertFalse(Arrays.equals(a, parameters.read("b", shape, Tensor::toFloats)));
  }

  /** What {@code bench} does. */
  @Test
  void aNetworkOfThemCanBeTimed() {
    var config = new DiTConfig(8, 2, 4, 48, 2, 3, 4, 10, true, true);
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = new DiT(config, parameters, backend);
        var trial = network.trial(3);
        var x = Tensor.allocate(DType.F32, Shape.of(1, 4, 8, 8));
        var t = Tensor.of(Shape.of(1), 500f);
        var y = Tensor.of(Shape.of(1), 10L)) {
      trial.run();
      trial.run();
      try (var out = network.evaluate(Map.of("x", x, "t", t, "y", y)).get("out")) {
        double largest = 0;
        for (float value : out.toFloats()) {
          largest = Math.max(largest, Math.abs(value));
          assertTrue(Float.isFinite(value), "found " + value);
        }
        assertTrue(largest > 1e-3 && largest < 1e3, "the largest output is " + largest);
      }
    }
  }
}
