package dev.gatun.models.layers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class GridPositionsTest {
  private static final int D = 8;

  /** A state dict with one tensor, or none. */
  private record One(float[] table) implements Parameters {
    @Override
    public boolean has(String key) {
      return key.equals("pos_embed") && table != null;
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      if (!has(key)) {
        throw new ParameterException("tensor " + key + " is missing");
      }
      assertEquals(Shape.of(1, table.length / D, D), expected);
      try (var tensor = Tensor.of(expected, table)) {
        return use.apply(tensor);
      }
    }
  }

  private static float[] load(float[] stored, int trainedGrid, int grid) {
    try (var backend = Backend.open(Device.CPU, "reference", 1);
        var weights = new Weights(backend, new One(stored))) {
      var positions = GridPositions.load(weights, "pos_embed", trainedGrid, grid, D);
      assertEquals(Shape.of(grid * grid, D), positions.shape());
      return positions.toFloats();
    }
  }

  @Test
  void theStoredTableGoesBeforeTheComputedOne() {
    float[] stored = new float[3 * 3 * D];
    for (int i = 0; i < stored.length; i++) {
      stored[i] = (float) Math.sin(i);
    }
    assertArrayEquals(stored, load(stored, 3, 3));
    assertArrayEquals(PositionInterpolation.table(stored, 3, 5, D), load(stored, 3, 5));
  }

  @Test
  void withoutOneItIsTheComputedTableOfTheTrainedGrid() {
    float[] computed = SinCosPositions.table(4, D);
    assertArrayEquals(computed, load(null, 4, 4));
    assertArrayEquals(PositionInterpolation.table(computed, 4, 6, D), load(null, 4, 6));
  }
}
