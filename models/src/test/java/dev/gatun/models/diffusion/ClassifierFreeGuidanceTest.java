package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClassifierFreeGuidanceTest {
  private static final int N = 3;
  private static final int H = 3;
  private static final int W = 5;
  private static final int C = 4;
  private static final int OUT = 2 * C;
  private static final long NULL_LABEL = 9;
  private static final long[] LABELS = {5, 0, 7};
  private static final long SEED = 2;

  private final Backend backend = TestBackend.open();
  private final List<Integer> batches = new ArrayList<>();

  /** Channel o of a pixel: a function of its x, the time and the label of the image. */
  private static double toy(double x, double t, long label, int o) {
    return Math.sin(x * (1 + label)) + 0.1 * o + t / 1000 * label;
  }

  private final ConditionalDenoiser network =
      new ConditionalDenoiser() {
        @Override
        public int outChannels() {
          return OUT;
        }

        @Override
        public void predict(Tensor x, double t, Tensor labels, Tensor out) {
          batches.add(x.dim(0));
          assertEquals(DType.I64, labels.dtype());
          assertTrue(labels.shape().is(x.dim(0)), labels.toString());
          for (int p = 0; p < x.shape().rows(); p++) {
            long label = labels.getLong(p / (H * W));
            for (int o = 0; o < OUT; o++) {
              out.setFloat(
                  (long) p * OUT + o, (float) toy(x.getFloat((long) p * C + o % C), t, label, o));
            }
          }
        }
      };

  @AfterEach
  void close() {
    backend.close();
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 4})
  void guidesTheFirstChannelsAndKeepsTheOthersAsLabelled(int guided) {
    double w = 4.5;
    double t = 310;
    try (var workspace = backend.workspace();
        var x = random(N);
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var guidance = guidance(w, guided, workspace)) {
      assertEquals(OUT, guidance.outChannels());
      guidance.predict(x, t, out);
      for (int p = 0; p < N * H * W; p++) {
        for (int o = 0; o < OUT; o++) {
          double value = x.getFloat((long) p * C + o % C);
          double labelled = toy(value, t, LABELS[p / (H * W)], o);
          double none = toy(value, t, NULL_LABEL, o);
          double expected = o < guided ? none + w * (labelled - none) : labelled;
          assertEquals(
              expected, out.getFloat((long) p * OUT + o), 1e-5, "seed 2, pixel " + p + " " + o);
        }
      }
      assertEquals(List.of(2 * N), batches);
      assertEquals(0, workspace.mark());
    }
  }

  @Test
  void scaleOneIsOnePlainEvaluation() {
    try (var workspace = backend.workspace();
        var x = random(N);
        var labels = Tensor.of(Shape.of(N), LABELS);
        var expected = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var guidance = guidance(1, 3, workspace)) {
      network.predict(x, 20, labels, expected);
      batches.clear();
      guidance.predict(x, 20, out);
      assertArrayEquals(expected.toFloats(), out.toFloats());
      assertEquals(List.of(N), batches);
    }
  }

  @Test
  void theScaleMayDependOnTime() {
    try (var workspace = backend.workspace();
        var x = random(N);
        var expected = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var constant = guidance(3, 3, workspace);
        var rising =
            new ClassifierFreeGuidance(
                network, LABELS, NULL_LABEL, t -> t / 100, 3, backend, workspace)) {
      constant.predict(x, 300, expected);
      rising.predict(x, 300, out);
      assertArrayEquals(expected.toFloats(), out.toFloats());
    }
  }

  /** DiT's forward_with_cfg on two equal halves gives all rows, and its first half is predict. */
  @Test
  void guidedHalvesAgreeInTheGuidedChannelsOnly() {
    double w = 2.5;
    try (var workspace = backend.workspace();
        var x = random(N);
        var both = backend.allocate(DType.F32, Shape.of(2 * N, H, W, C));
        var labels = Tensor.of(Shape.of(2 * N), 5, 0, 7, NULL_LABEL, NULL_LABEL, NULL_LABEL);
        var all = backend.allocate(DType.F32, Shape.of(2 * N, H, W, OUT));
        var raw = backend.allocate(DType.F32, Shape.of(2 * N, H, W, OUT));
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var guidance = guidance(w, 3, workspace)) {
      backend.copy(x, both.slice(0, N));
      backend.copy(x, both.slice(N, 2 * N));
      network.predict(both, 7, labels, raw);
      network.predict(both, 7, labels, all);
      ClassifierFreeGuidance.guideHalves(all, w, 3, backend);
      guidance.predict(x, 7, out);

      var rows = all.toFloats();
      var plain = raw.toFloats();
      assertArrayEquals(out.toFloats(), Arrays.copyOf(rows, rows.length / 2));
      int half = rows.length / 2;
      for (int i = half; i < rows.length; i++) {
        float expected = i % OUT < 3 ? rows[i - half] : plain[i];
        assertEquals(expected, rows[i], "seed 2, element " + i);
      }
    }
  }

  /** Texts in place of classes, the null text one for all or one for each. */
  @ParameterizedTest
  @ValueSource(ints = {1, N})
  void textsGuideToo(int nulls) {
    ConditionalDenoiser reader =
        new ConditionalDenoiser() {
          @Override
          public int outChannels() {
            return C;
          }

          @Override
          public void predict(Tensor x, double t, Tensor text, Tensor out) {
            assertTrue(text.shape().is(2 * N, 2, 3), text.toString());
            for (int i = 0; i < x.shape().size(); i++) {
              int image = i / (H * W * C);
              out.setFloat(i, x.getFloat(i) * text.getFloat(image * 6 + 4));
            }
          }
        };
    try (var workspace = backend.workspace();
        var x = random(N);
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, C));
        var text = Tensor.allocate(DType.F32, Shape.of(N, 2, 3));
        var none = Tensor.allocate(DType.F32, Shape.of(nulls, 2, 3))) {
      for (int i = 0; i < text.shape().size(); i++) {
        text.setFloat(i, i + 1);
      }
      for (int i = 0; i < none.shape().size(); i++) {
        none.setFloat(i, -i - 1);
      }
      var scale = GuidanceScale.added(0.5);
      try (var guidance =
          new ClassifierFreeGuidance(reader, text, none, scale, C, backend, workspace)) {
        guidance.predict(x, 3, out);
      }
      for (int i = 0; i < x.shape().size(); i++) {
        int image = i / (H * W * C);
        float shown = text.getFloat(image * 6 + 4);
        float hidden = none.getFloat(nulls == 1 ? 4 : image * 6 + 4);
        double expected = x.getFloat(i) * (shown + 0.5 * (shown - hidden));
        assertEquals(expected, out.getFloat(i), 1e-4, "seed 2, element " + i);
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> new ClassifierFreeGuidance(reader, text, x, scale, C, backend, workspace));
    }
  }

  @Test
  void theConditionCanBeSettledWithoutGuidance() {
    try (var x = random(N);
        var labels = Tensor.of(Shape.of(N), LABELS);
        var expected = backend.allocate(DType.F32, Shape.of(N, H, W, OUT));
        var out = backend.allocate(DType.F32, Shape.of(N, H, W, OUT))) {
      network.predict(x, 20, labels, expected);
      network.given(labels).predict(x, 20, out);
      assertArrayEquals(expected.toFloats(), out.toFloats());
    }
  }

  @Test
  void diffitRaisesTheScaleAtTheEnd() {
    var scale = GuidanceScale.powerCosine(4.4, 4, 1000);
    int[] times = {0, 100, 250, 500, 750, 999};
    double[] expected = {4.4, 3.5006678511, 1.7729475197, 1.0326650233, 1.0001280069, 1.0};
    for (int i = 0; i < times.length; i++) {
      assertEquals(expected[i], scale.at(times[i]), 1e-10, "t = " + times[i]);
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (var workspace = backend.workspace();
        var two = random(2);
        var out = backend.allocate(DType.F32, Shape.of(2, H, W, OUT));
        var guidance = guidance(2, 3, workspace)) {
      var error = assertThrows(IllegalArgumentException.class, () -> guidance.predict(two, 1, out));
      assertTrue(
          error.getMessage().contains("3 images, one for each condition"), error.getMessage());
      assertThrows(IllegalArgumentException.class, () -> guidance(Double.NaN, 3, workspace));
      assertThrows(IllegalArgumentException.class, () -> guidance(2, 9, workspace));
      assertThrows(IllegalArgumentException.class, () -> guidance(2, 0, workspace));
      try (var odd = random(3)) {
        assertThrows(
            IllegalArgumentException.class,
            () -> ClassifierFreeGuidance.guideHalves(odd, 2, 3, backend));
      }
    }
  }

  private ClassifierFreeGuidance guidance(double scale, int channels, Workspace workspace) {
    return new ClassifierFreeGuidance(
        network, LABELS, NULL_LABEL, GuidanceScale.constant(scale), channels, backend, workspace);
  }

  private Tensor random(int n) {
    var random = new Random(SEED);
    var x = backend.allocate(DType.F32, Shape.of(n, H, W, C));
    for (long i = 0; i < x.shape().size(); i++) {
      x.setFloat(i, (float) random.nextGaussian());
    }
    return x;
  }
}
