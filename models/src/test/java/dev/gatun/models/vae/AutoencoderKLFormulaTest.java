package dev.gatun.models.vae;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.Parameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * An autoencoder whose weights are a formula, against numbers that LDM's code gave in double
 * precision.
 */
class AutoencoderKLFormulaTest {
  private static final AutoencoderKLConfig CONFIG =
      new AutoencoderKLConfig(3, 3, List.of(32, 64), 1, 4, 4, 32, 16, 1);

  /** The numbers are printed with seven decimals; the largest is about 4. */
  private static final double TOLERANCE = 4e-5;

  /** {@code sin(0.7i + 1.3j + 0.5)}, scaled; j counts the sorted keys, i the elements. */
  private record Formula(List<String> keys) implements Parameters {
    @Override
    public boolean has(String key) {
      return keys.contains(key);
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      float[] values = new float[(int) expected.size()];
      double fan = expected.size() / (double) expected.dim(0);
      for (int i = 0; i < values.length; i++) {
        double s = Math.sin(0.7 * i + 1.3 * keys.indexOf(key) + 0.5);
        if (expected.rank() > 1) {
          values[i] = (float) (s * 0.7 * Math.sqrt(2 / fan));
        } else {
          values[i] = (float) (key.endsWith("weight") ? 1 + 0.2 * s : 0.1 * s);
        }
      }
      try (var tensor = Tensor.of(expected, values)) {
        return use.apply(tensor);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void encodesAndDecodesAsLdm(String backendName) {
    var keys = List.copyOf(new TreeSet<>(CONFIG.stateDict().keySet()));
    assertEquals(124, keys.size());
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new AutoencoderKL(CONFIG, new Formula(keys), backend);
        var x = input(Shape.of(1, 3, 8, 8));
        var z = input(Shape.of(1, 4, 4, 4))) {
      var found = network.evaluate(Map.of("x", x, "z", z));
      float[] moments = new float[2 * 64];
      System.arraycopy(found.get("mean").toFloats(), 0, moments, 0, 64);
      System.arraycopy(found.get("logvar").toFloats(), 0, moments, 64, 64);
      check(
          moments,
          new double[] {
            0.7193529, 1.6630562, 1.6502482, 0.9839916, 0.6112732, 0.1837771, -0.0181791, -0.005124
          },
          new double[] {-0.6336668, -0.2567891},
          -0.01369106,
          0.62277703);
      check(
          found.get("image").toFloats(),
          new double[] {
            0.1938708, 0.7441574, 1.8370915, 3.1599572, 3.939545, 3.4735547, 2.0784149, 0.7657373
          },
          new double[] {0.8988504, 0.1788077},
          0.16122409,
          1.10002983);
      found.values().forEach(Tensor::close);
    }
  }

  private static Tensor input(Shape shape) {
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(0.37 * i + 0.2);
    }
    return Tensor.of(shape, values);
  }

  private static void check(
      float[] out, double[] first, double[] last, double mean, double meanSquare) {
    for (int i = 0; i < first.length; i++) {
      assertEquals(first[i], out[i], TOLERANCE, "element " + i);
    }
    for (int i = 0; i < last.length; i++) {
      int at = out.length - last.length + i;
      assertEquals(last[i], out[at], TOLERANCE, "element " + at);
    }
    double sum = 0;
    double squares = 0;
    for (float value : out) {
      sum += value;
      squares += (double) value * value;
    }
    assertEquals(mean, sum / out.length, TOLERANCE);
    assertEquals(meanSquare, squares / out.length, TOLERANCE);
  }
}
