package dev.gatun.models;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * Weights that are a formula, for holding a network against numbers that were computed elsewhere:
 * of the j-th key in alphabetical order, element i is {@code s = sin(0.7i + 1.3j + 0.5)}, scaled.
 */
public record FormulaParameters(List<String> keys) implements Parameters {
  public static FormulaParameters of(NetworkConfig config) {
    return new FormulaParameters(List.copyOf(new TreeSet<>(config.stateDict().keySet())));
  }

  /** The same where one tensor is not stored, but keeps its place in the order. */
  public Parameters without(String missing) {
    return new Parameters() {
      @Override
      public boolean has(String key) {
        return !key.equals(missing) && FormulaParameters.this.has(key);
      }

      @Override
      public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
        if (!has(key)) {
          throw new ParameterException("tensor " + key + " is missing");
        }
        return FormulaParameters.this.read(key, expected, use);
      }
    };
  }

  @Override
  public boolean has(String key) {
    return keys.contains(key);
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    float[] values = new float[(int) expected.size()];
    long fan = expected.size() / expected.dim(0);
    boolean norm = expected.rank() == 1 && key.endsWith("weight");
    for (int i = 0; i < values.length; i++) {
      double s = Math.sin(0.7 * i + 1.3 * keys.indexOf(key) + 0.5);
      values[i] =
          (float)
              (expected.rank() > 1 ? s * 0.7 * Math.sqrt(2.0 / fan) : norm ? 1 + 0.2 * s : 0.1 * s);
    }
    try (var tensor = Tensor.of(expected, values)) {
      return use.apply(tensor);
    }
  }

  /** {@code sin(a·i + 0.2)}: the inputs. */
  public static Tensor input(double a, int... dims) {
    var shape = Shape.of(dims);
    float[] values = new float[(int) shape.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(a * i + 0.2);
    }
    return Tensor.of(shape, values);
  }

  /**
   * Holds an output against its first and last elements, its mean and its mean square, which are
   * printed with seven decimals.
   */
  public static void check(
      Tensor out, double[] first, double[] last, double mean, double meanSquare) {
    double tolerance = 2e-5 * Math.max(1, Math.sqrt(meanSquare));
    float[] values = out.toFloats();
    for (int i = 0; i < first.length; i++) {
      assertEquals(first[i], values[i], tolerance, "element " + i);
    }
    for (int i = 0; i < last.length; i++) {
      int at = values.length - last.length + i;
      assertEquals(last[i], values[at], tolerance, "element " + at);
    }
    double sum = 0;
    double squares = 0;
    for (float value : values) {
      sum += value;
      squares += (double) value * value;
    }
    assertEquals(mean, sum / values.length, tolerance, "mean");
    assertEquals(meanSquare, squares / values.length, tolerance, "mean square");
  }
}
