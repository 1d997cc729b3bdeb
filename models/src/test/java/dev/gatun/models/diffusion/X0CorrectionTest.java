package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class X0CorrectionTest {
  private static final long SEED = 9;

  @Test
  void quantilesAreThoseOfTheSortedElements() {
    var random = new Random(SEED);
    for (int count : new int[] {1, 2, 3, 10, 257, 4096}) {
      for (double q : new double[] {0, 0.1, 0.5, 0.9, 0.995, 1}) {
        var values = new float[count + 7];
        for (int i = 0; i < values.length; i++) {
          values[i] = random.nextInt(5) == 0 ? 1 : random.nextFloat() * 3;
        }
        var sorted = Arrays.copyOfRange(values, 3, 3 + count);
        Arrays.sort(sorted);
        double at = q * (count - 1);
        int low = (int) at;
        int high = Math.min(low + 1, count - 1);
        double expected = sorted[low] + (at - low) * (sorted[high] - sorted[low]);
        double found = X0Corrector.quantile(values, 3, count, q);
        assertEquals(expected, found, 1e-6, count + " elements, seed 9, quantile " + q);
      }
    }
  }

  @Test
  void nothingIsNotANumber() {
    // a network gone wrong must not keep the search from ending
    var values = new float[] {1, Float.NaN, 2, Float.NaN, 0};
    X0Corrector.quantile(values, 0, 5, 0.5);
    Arrays.fill(values, Float.NaN);
    assertTrue(Double.isNaN(X0Corrector.quantile(values, 0, 5, 0.995)));
  }

  @Test
  void eachImageHasItsOwnThreshold() {
    var correction = new X0Correction.DynamicThresholding(1, 0.5);
    float[] images = {0.1f, -0.2f, 0.3f, 2, -4, 1};
    // the first lies within the least threshold, the second reaches to 4
    float[] expected = {0.2f, -0.4f, 0.6f, 0.5f, -1, 0.25f};
    assertArrayEquals(expected, corrected(correction, images), 1e-6f);
  }

  @Test
  void clampsAndCallsBack() {
    var times = new ArrayList<Double>();
    X0Correction.Custom halve =
        (x0, t) -> {
          times.add(t);
          for (int i = 0; i < x0.shape().size(); i++) {
            x0.setFloat(i, x0.getFloat(i) / 2);
          }
        };
    float[] images = {0.5f, -3, 1.5f, 0, 4, -1};
    float[] clamped = {0.5f, -1, 1, 0, 1, -1};
    assertArrayEquals(clamped, corrected(X0Correction.clip(true), images));
    assertArrayEquals(images, corrected(X0Correction.clip(false), images));
    float[] first = {0.25f, -1, 0.75f, 0, 1, -0.5f};
    assertArrayEquals(
        first, corrected(new X0Correction.Both(halve, new X0Correction.Clamp(1)), images));
    float[] then = {0.25f, -0.5f, 0.5f, 0, 0.5f, -0.5f};
    assertArrayEquals(
        then, corrected(new X0Correction.Both(new X0Correction.Clamp(1), halve), images));
    assertEquals(List.of(7.0, 7.0), times);
  }

  /** The hook reaches the samplers: an image that is always taken for 0.25 becomes that. */
  @Test
  void samplersUseIt() throws Exception {
    X0Correction quarter = (X0Correction.Custom) (x0, t) -> x0.setFloat(0, 0.25f);
    var schedule = NoiseSchedule.linear(1000).respace(Respacing.parse("10"));
    var network = PointwiseDenoiser.gaussian(false);
    var epsilon = Prediction.EPSILON;
    Toy.meets(0.25, new DdpmSampler(schedule, epsilon, Variance.FIXED_SMALL, quarter), network, 1);
    Toy.meets(0.25, new DdimSampler(schedule, epsilon, quarter, 0), network, 1);
    var solver = DpmSolver.image(LinearVp.uvit(), epsilon).with(quarter).withDenoiseToZero();
    Toy.meets(0.25, solver.multistep(10, 2, Spacing.TIME), network, 1);
    Toy.meets(0.25, solver.singlestep(10, 3, Spacing.TIME), network, 1);
    Toy.meets(0.25, solver.adaptive(2), network, 1);
  }

  /** The hook on x is called after each step with the time that x is at. */
  @Test
  void theStateCanBeCorrectedToo() throws Exception {
    var times = new ArrayList<Double>();
    var steps = new ArrayList<Integer>();
    var solver =
        DpmSolver.noise(LinearVp.uvit(), Prediction.EPSILON)
            .between(1, 0.2)
            .with(
                (StateCorrection)
                    (x, t, step) -> {
                      times.add(t);
                      steps.add(step);
                      x.setFloat(0, step);
                    });
    Toy.meets(4, solver.multistep(4, 2, Spacing.TIME), PointwiseDenoiser.gaussian(false), 1);
    assertEquals(List.of(1, 2, 3, 4), steps);
    double[] expected = {0.8, 0.6, 0.4, 0.2};
    for (int i = 0; i < 4; i++) {
      assertEquals(expected[i], times.get(i), 1e-12);
    }
  }

  @Test
  void refusesWhatIsNoLimit() {
    for (double limit : new double[] {0, -1, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> new X0Correction.Clamp(limit));
      assertThrows(
          IllegalArgumentException.class, () -> new X0Correction.DynamicThresholding(0.9, limit));
    }
    assertThrows(
        IllegalArgumentException.class, () -> new X0Correction.DynamicThresholding(1.1, 1));
  }

  private static float[] corrected(X0Correction correction, float... values) {
    try (var backend = TestBackend.open();
        var images = Tensor.of(Shape.of(2, 1, 1, 3), values)) {
      new X0Corrector(correction, images, backend).apply(images, 7);
      return images.toFloats();
    }
  }
}
