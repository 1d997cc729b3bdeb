package dev.gatun.models.diffit;

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
 * A latent DiffiT whose weights are a formula, against numbers that were computed in double
 * precision.
 */
class DiffiTFormulaTest {
  @ParameterizedTest
  @ValueSource(strings = {"cpu", "reference"})
  void forward(String backendName) {
    var config = new DiffiTLatentConfig(4, 2, 4, 16, 2, 2, 4, 3, true, true, 4);
    var formula = FormulaParameters.of(config);
    assertEquals(32, formula.keys().size());
    try (var backend = Backend.open(Device.CPU, backendName, 1);
        var network = new DiffiTLatent(config, formula.without("pos_embed"), backend);
        var x = FormulaParameters.input(0.37, 2, 4, 4, 4);
        var t = Tensor.of(Shape.of(2), 7f, 480f);
        var y = Tensor.of(Shape.of(2), 1L, 3L);
        var out = network.evaluate(Map.of("x", x, "t", t, "y", y)).get("out")) {
      FormulaParameters.check(
          out,
          new double[] {
            0.5838523,
            -0.3636804,
            0.2579207,
            -0.1244317,
            -0.5607502,
            0.5225792,
            -0.2657126,
            0.2452326
          },
          new double[] {0.3073414, -0.0170512},
          -0.00811613,
          0.14584259);
    }
  }
}
