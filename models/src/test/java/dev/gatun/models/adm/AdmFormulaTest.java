package dev.gatun.models.adm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * ADM networks whose weights are a formula, against numbers that the authors' code gave in double
 * precision.
 */
class AdmFormulaTest {
  /** The numbers are printed with seven decimals; the largest is about 4. */
  private static final double TOLERANCE = 4e-5;

  /** {@code sin(0.7i + 1.3j + 0.5)}, scaled; j counts the sorted keys, i the elements. */
  private record Formula(List<String> keys) implements Parameters {
    static Formula of(NetworkConfig config, int count) {
      var keys = List.copyOf(new TreeSet<>(config.stateDict().keySet()));
      assertEquals(count, keys.size());
      return new Formula(keys);
    }

    @Override
    public boolean has(String key) {
      return keys.contains(key);
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      float[] values = new float[(int) expected.size()];
      long fan = expected.size() / expected.dim(0);
      boolean matrix = expected.rank() > 1 && !key.endsWith("positional_embedding");
      for (int i = 0; i < values.length; i++) {
        double s = Math.sin(0.7 * i + 1.3 * keys.indexOf(key) + 0.5);
        if (matrix) {
          values[i] = (float) (s * 0.7 * Math.sqrt(2.0 / fan));
        } else {
          values[i] =
              (float) (expected.rank() == 1 && key.endsWith("weight") ? 1 + 0.2 * s : 0.1 * s);
        }
      }
      try (var tensor = Tensor.of(expected, values)) {
        return use.apply(tensor);
      }
    }
  }

  private static Backbone backbone(boolean newOrder) {
    return new Backbone(32, List.of(1.0, 2.0), 1, List.of(2), 1, 16, true, true, true, newOrder);
  }

  private static Tensor wave(double a, int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (int i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, (float) Math.sin(a * i + 0.2));
    }
    return tensor;
  }

  private static Map<String, Tensor> inputs() {
    var inputs = new HashMap<String, Tensor>();
    inputs.put("x", wave(0.37, 2, 3, 8, 8));
    inputs.put("t", Tensor.of(Shape.of(2), 7f, 480f));
    inputs.put("y", Tensor.of(Shape.of(2), 1L, 2L));
    return inputs;
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void legacyOrder(String backend) {
    check(
        backend,
        new AdmConfig(8, 3, 6, 3, false, backbone(false)),
        145,
        new double[] {
          0.7399925, 0.8460059, 0.5601854, 0.2815318, 0.2016557, 0.178387, 0.1280959, 0.0921528
        },
        new double[] {1.7887205, 1.1378512},
        0.06848731,
        0.54882065);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void newOrder(String backend) {
    check(
        backend,
        new AdmConfig(8, 3, 6, 3, false, backbone(true)),
        145,
        new double[] {
          0.7346826, 0.8372721, 0.5611687, 0.3025566, 0.230857, 0.19615, 0.1292675, 0.0885281
        },
        new double[] {1.7764748, 1.1344218},
        0.06978038,
        0.56042944);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void withoutScaleShiftAndResamplingBlocks(String backend) {
    var plain = new Backbone(32, List.of(1.0, 2.0), 1, List.of(2), 1, 0, false, false, true, false);
    check(
        backend,
        new AdmConfig(8, 3, 3, 0, false, plain),
        128,
        new double[] {
          1.2878289, 1.7840023, 1.7476789, 1.7314791, 1.7943424, 1.6045243, 1.0216758, 0.4668112
        },
        new double[] {1.5887183, 0.8431231},
        0.15063224,
        0.71005331);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void superResolution(String backend) {
    check(
        backend,
        new AdmConfig(8, 3, 6, 3, true, backbone(false)),
        145,
        new double[] {
          0.3593046, 0.6743552, 0.7222655, 0.4660826, 0.2458163, 0.1597194, 0.0719157, 0.0685239
        },
        new double[] {1.4980456, 0.8865589},
        0.05197404,
        0.69237885);
  }

  private static void check(
      String backendName,
      AdmConfig config,
      int keys,
      double[] first,
      double[] last,
      double mean,
      double meanSquare) {
    var inputs = inputs();
    if (config.superRes()) {
      inputs.put("low_res", wave(0.9, 2, 3, 4, 4));
    }
    float[] values;
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new AdmUNet(config, Formula.of(config, keys), backend);
        var out = network.evaluate(inputs).get("out")) {
      values = out.toFloats();
    }
    for (int i = 0; i < first.length; i++) {
      assertEquals(first[i], values[i], TOLERANCE, "element " + i);
    }
    for (int i = 0; i < last.length; i++) {
      int at = values.length - last.length + i;
      assertEquals(last[i], values[at], TOLERANCE, "element " + at);
    }
    double sum = 0;
    double squares = 0;
    for (float value : values) {
      sum += value;
      squares += (double) value * value;
    }
    assertEquals(mean, sum / values.length, TOLERANCE);
    assertEquals(meanSquare, squares / values.length, TOLERANCE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void classifierAndItsGradient(String backendName) {
    double[] logits = {
      -0.14137642, -0.47862856, -0.49713587, -0.18967026, 0.23942108,
      -0.10036448, -0.45862266, -0.51078376, -0.22834372, 0.20017149
    };
    double[] gradient = {
      .003095751, .002809431, .001731986, .000978513, .000668712, .001361135, .002164445, .002017780
    };
    var config = new ClassifierConfig(8, 3, 5, Pooling.ATTENTION, backbone(false));
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new AdmClassifier(config, Formula.of(config, 77), backend)) {
      var results = network.evaluate(inputs());
      try (var found = results.get("logits");
          var grad = results.get("grad")) {
        for (int i = 0; i < logits.length; i++) {
          assertEquals(logits[i], found.getFloat(i), TOLERANCE, "logit " + i);
        }
        double sum = logProbability(found, 0, 1) + logProbability(found, 1, 2);
        assertEquals(-3.8471298068, sum, TOLERANCE);
        // A tolerance of 2e-5 of the largest, as everywhere.
        for (int i = 0; i < gradient.length; i++) {
          assertEquals(gradient[i], grad.getFloat(i), 1e-7, "gradient " + i);
        }
        assertEquals(-.001271241, grad.getFloat(63), 1e-7);
        assertEquals(.003093147, grad.getFloat(64), 1e-7);
        assertEquals(.001417042, grad.getFloat(200), 1e-7);
        assertEquals(.000145309, grad.getFloat(382), 1e-7);
        assertEquals(.000141109, grad.getFloat(383), 1e-7);
      }
    }
  }

  private static double logProbability(Tensor logits, int row, int label) {
    double sum = 0;
    for (int i = 0; i < logits.dim(1); i++) {
      sum += Math.exp(logits.getFloat((long) row * logits.dim(1) + i));
    }
    return logits.getFloat((long) row * logits.dim(1) + label) - Math.log(sum);
  }
}
