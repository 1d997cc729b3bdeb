package dev.gatun.models.dit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.FormulaParameters;
import dev.gatun.models.diffusion.ClassifierFreeGuidance;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A DiT whose weights are a formula, against numbers that the authors' code gave in double
 * precision.
 */
class DiTFormulaTest {
  private static final DiTConfig CONFIG = new DiTConfig(4, 2, 4, 16, 2, 2, 4, 3, true, true);

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void forward(String backendName) {
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = network(backend);
        var out = evaluate(network, input(2), 7, 480)) {
      FormulaParameters.check(
          out,
          new double[] {
            1.2408513,
            -1.7733099,
            0.6775005,
            -1.5078275,
            -1.0357254,
            1.9935417,
            -0.506656,
            1.6597411
          },
          new double[] {0.1890637, -1.999356},
          -0.00096131,
          2.21177668);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void forwardWithGuidance(String backendName) {
    float[] halves = Arrays.copyOf(input(1), 2 * input(1).length);
    System.arraycopy(halves, 0, halves, halves.length / 2, halves.length / 2);
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = network(backend);
        var out = evaluate(network, halves, 480, 480);
        var predictions = backend.allocate(DType.F32, Shape.of(2, 4, 4, 8))) {
      backend.toChannelsLast(out, predictions);
      ClassifierFreeGuidance.guideHalves(predictions, 1.5, 3, backend);
      backend.toChannelsFirst(predictions, out);
      FormulaParameters.check(
          out,
          new double[] {
            1.3003646,
            -1.6223231,
            0.7555375,
            -1.3227402,
            -1.1147354,
            1.8527574,
            -0.6085931,
            1.4878169
          },
          new double[] {0.1453428, -2.003921},
          -0.00248187,
          2.09824328);
    }
  }

  private static DiT network(Backend backend) {
    var formula = FormulaParameters.of(CONFIG);
    assertEquals(32, formula.keys().size());
    return new DiT(CONFIG, formula.without("pos_embed"), backend);
  }

  private static float[] input(int samples) {
    float[] values = new float[samples * 4 * 4 * 4];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(0.37 * i + 0.2);
    }
    return values;
  }

  private static Tensor evaluate(DiT network, float[] x, float t0, float t1) {
    try (var images = Tensor.of(Shape.of(2, 4, 4, 4), x);
        var t = Tensor.of(Shape.of(2), t0, t1);
        var y = Tensor.of(Shape.of(2), 1L, 3L)) {
      return network.evaluate(Map.of("x", images, "t", t, "y", y)).get("out");
    }
  }
}
