package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Quantised;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.ByteProduct.Unit;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Linear layers in bytes on each unit that this processor has: all give the same bits. */
class ByteGemmTest {
  private static final long SEED = 23;

  private final ThreadTeam team = new ThreadTeam(2);
  private final Scratch[] scratch = {new Scratch(), new Scratch()};

  @BeforeEach
  void available() {
    var reason = ByteProduct.unavailable();
    assumeTrue(reason.isEmpty(), "i8 was not tested: " + reason);
  }

  @AfterEach
  void close() {
    team.close();
  }

  private static Tensor numbers(Random random, int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, random.nextFloat() - 0.5f);
    }
    return tensor;
  }

  private float[] linear(Unit unit, int rows, int in, int out, Activation activation) {
    var random = new Random(SEED);
    try (var gemm = new ByteGemm(team, scratch, unit);
        var x = numbers(random, rows, in);
        var matrix = numbers(random, out, in);
        var bias = numbers(random, out);
        var gate = numbers(random, 1, out);
        var result = numbers(random, rows, out);
        var weight = gemm.pack(matrix)) {
      gemm.linear(x, weight, new Epilogue(bias, activation), gate, result, result);
      return result.toFloats();
    }
  }

  /** Sizes that {@link ByteWeight#takes} would not, too: against loops. */
  @Test
  void smallMatrices() {
    for (int rows : new int[] {1, 5, 6, 7, 31, 33}) {
      for (int in : new int[] {0, 1, 3, 15, 17, 63, 64, 65}) {
        for (int out : new int[] {1, 3, 15, 16, 17, 31, 32, 33}) {
          var expected = expected(rows, in, out);
          for (var unit : Unit.values()) {
            if (unit.isThere()) {
              float[] found = linear(unit, rows, in, out, Activation.IDENTITY);
              var what = "%dx%d by %d, %s, seed %d".formatted(rows, in, out, unit, SEED);
              assertArrayEquals(expected, found, what);
            }
          }
        }
      }
    }
  }

  /** What {@link #linear} gives, by loops. */
  private static float[] expected(int rows, int in, int out) {
    var random = new Random(SEED);
    try (var x = numbers(random, rows, in);
        var matrix = numbers(random, out, in);
        var bias = numbers(random, out);
        var gate = numbers(random, 1, out);
        var result = numbers(random, rows, out)) {
      var left = Quantised.of(x);
      var right = Quantised.of(matrix);
      for (int i = 0; i < rows * out; i++) {
        int n = i % out;
        float value = left.product(i / out, right, n, bias.getFloat(n));
        result.setFloat(i, value * gate.getFloat(n) + result.getFloat(i));
      }
      return result.toFloats();
    }
  }

  /** Rows around blocks of six and eight, several pieces, incomplete panels. */
  @Test
  void allUnitsGiveTheSame() {
    int[][] sizes = {{1, 1, 1}, {5, 70, 33}, {13, 130, 16}, {97, 3201, 40}, {200, 64, 65}};
    for (int[] size : sizes) {
      var what = Arrays.toString(size) + ", seed " + SEED;
      float[] expected = null;
      for (var unit : Unit.values()) {
        if (unit.isThere()) {
          float[] found = linear(unit, size[0], size[1], size[2], Activation.IDENTITY);
          expected = expected == null ? found : expected;
          assertArrayEquals(expected, found, what + ", " + unit);
        }
      }
    }
  }

  /** What follows is written twice, for vectors of 512 bits and of 256. */
  @Test
  void activationsAreAlike() {
    for (var activation : Activation.values()) {
      float[] expected = null;
      for (var unit : Unit.values()) {
        if (unit.isThere()) {
          float[] found = linear(unit, 7, 70, 70, activation);
          expected = expected == null ? found : expected;
          assertArrayEquals(expected, found, 4e-6f, activation + ", " + unit);
        }
      }
      assertTrue(expected != null, "no unit is there");
    }
  }
}
