package dev.gatun.models.uvit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.FormulaParameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * U-ViTs whose weights are a formula, against numbers that the authors' code gave in double
 * precision.
 */
class UViTFormulaTest {
  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void ofClasses(String backend) {
    var config = new UViTConfig(4, 2, 4, 16, 2, 2, 4, false, false, 4, -1, 0, 0, true, 4);
    check(
        config,
        backend,
        45,
        Map.of("y", Tensor.of(Shape.of(2), 1L, 3L)),
        new double[] {
          0.0958374, 0.1112109, 0.0875171, 0.0666719, -0.080265, -0.07664, -0.0954943, -0.012201
        },
        new double[] {-0.2357558, -0.2252875},
        -0.06019060,
        0.02008409);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void unconditional(String backend) {
    var config = new UViTConfig(4, 2, 3, 16, 4, 2, 4, false, true, 0, -1, 0, 0, false, 4);
    check(
        config,
        backend,
        70,
        Map.of(),
        new double[] {
          0.5353001, 0.3492382, 0.4921317, 0.350827, -0.9300189, 0.7071676, -0.8886794, 0.6579929
        },
        new double[] {0.3826004, -0.4735527},
        -0.03264086,
        0.27586726);
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void ofText(String backend) {
    var config = new UViTConfig(4, 2, 4, 16, 2, 2, 4, false, false, 0, -1, 6, 5, true, 4);
    check(
        config,
        backend,
        46,
        Map.of("context", FormulaParameters.input(0.53, 2, 5, 6)),
        new double[] {
          -0.0400986, 0.035477, 0.104097, 0.2140411, 0.1243939, 0.1674917, 0.214293, -0.0243249
        },
        new double[] {0.2763829, 0.1849524},
        0.10502523,
        0.04197387);
  }

  private static void check(
      UViTConfig config,
      String backendName,
      int keys,
      Map<String, Tensor> condition,
      double[] first,
      double[] last,
      double mean,
      double meanSquare) {
    var parameters = FormulaParameters.of(config);
    assertEquals(keys, parameters.keys().size());
    var inputs = new java.util.HashMap<>(condition);
    inputs.put("x", FormulaParameters.input(0.37, 2, config.inChannels(), 4, 4));
    inputs.put("t", Tensor.of(Shape.of(2), 7f, 480f));
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new UViT(config, parameters, backend);
        var out = network.evaluate(inputs).get("out")) {
      FormulaParameters.check(out, first, last, mean, meanSquare);
    }
    inputs.values().forEach(Tensor::close);
  }
}
