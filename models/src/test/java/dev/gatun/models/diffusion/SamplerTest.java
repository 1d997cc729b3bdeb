package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What every sampler does, whatever its formula. */
class SamplerTest {
  private static final NoiseSchedule SCHEDULE =
      NoiseSchedule.linear(1000).respace(Respacing.parse("30"));

  private final Backend backend = TestBackend.open();
  private final Workspace workspace = backend.workspace();

  static List<Sampler> samplers() {
    return List.of(
        new DdpmSampler(SCHEDULE, Prediction.EPSILON, Variance.LEARNED_RANGE, true),
        new DdpmSampler(SCHEDULE, Prediction.X_0, Variance.FIXED_SMALL, false),
        new DdpmSampler(SCHEDULE, Prediction.EPSILON, Variance.FIXED_LARGE, false),
        new DdimSampler(SCHEDULE, Prediction.EPSILON, false, 0),
        new DdimSampler(SCHEDULE, Prediction.EPSILON, true, 0.7));
  }

  @AfterEach
  void close() {
    workspace.close();
    backend.close();
  }

  /** A class-conditional network that computes with the backend alone and allocates nothing. */
  private ConditionalDenoiser network(int channels) {
    return new ConditionalDenoiser() {
      @Override
      public int outChannels() {
        return 2 * channels;
      }

      @Override
      public void predict(Tensor x, double t, Tensor labels, Tensor out) {
        backend.combine(0.5 + t / 2000, x, 0, null, out.columns(0, channels));
        backend.combine(0.3, x, 0, null, out.columns(channels, 2 * channels));
      }
    };
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void allocatesNothingAfterTheFirstStep(Sampler sampler) throws InterruptedException {
    // each array or tensor of this batch would be 6 KiB or more
    try (var x = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3));
        var guidance =
            new ClassifierFreeGuidance(
                network(3), new long[] {1, 2}, 9, t -> 3, 3, backend, workspace)) {
      var noise = Noise.perImage(4, 0, backend);
      noise.next(x);
      long[] allocated = new long[SCHEDULE.steps() + 1];
      StepListener listener = (done, steps, x0) -> allocated[done] = Allocated.bytes();
      sampler.sample(guidance, x, noise, backend, workspace, listener);
      long bytes = workspace.bytes();
      int steps = SCHEDULE.steps();
      long after = Long.MAX_VALUE;
      // the least of several: the JVM allocates now and then, a sampler would each time
      for (int run = 0; run < 5; run++) {
        sampler.sample(guidance, x, noise, backend, workspace, listener);
        after = Math.min(after, allocated[steps] - allocated[1]);
      }
      // a little for the JVM; one small object per operator would be 8 KiB
      assertTrue(after < 1024, after + " bytes in " + (steps - 1) + " steps");
      assertEquals(bytes, workspace.bytes());
      assertEquals(0, workspace.mark());
    }
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void tellsEachStep(Sampler sampler) throws InterruptedException {
    var told = new ArrayList<Integer>();
    try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
      var noise = Noise.torch(1, backend);
      noise.next(x);
      sampler.sample(
          plain(3),
          x,
          noise,
          backend,
          workspace,
          (done, steps, x0) -> {
            assertEquals(SCHEDULE.steps(), steps);
            assertEquals(x.shape(), x0.shape());
            told.add(done);
            if (done == steps) {
              // the last step has no noise: the mean is the predicted image itself
              for (int i = 0; i < x0.shape().size(); i++) {
                assertEquals(x0.getFloat(i), x.getFloat(i), 1e-6f, "element " + i);
              }
            }
          });
    }
    assertEquals(SCHEDULE.steps(), told.size());
    assertEquals(1, told.getFirst());
    assertEquals(SCHEDULE.steps(), told.getLast());
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void stopsBetweenStepsWhenInterrupted(Sampler sampler) throws InterruptedException {
    var told = new ArrayList<Integer>();
    try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
      var noise = Noise.torch(1, backend);
      var error =
          assertThrows(
              InterruptedException.class,
              () ->
                  sampler.sample(
                      plain(3),
                      x,
                      noise,
                      backend,
                      workspace,
                      (done, steps, x0) -> {
                        told.add(done);
                        if (done == 2) {
                          Thread.currentThread().interrupt();
                        }
                      }));
      assertEquals("interrupted after 2 of 30 steps", error.getMessage());
      assertFalse(Thread.interrupted());
      assertEquals(List.of(1, 2), told);
      assertEquals(0, workspace.mark());

      // and the next run is not disturbed
      sampler.sample(plain(3), x, noise, backend, workspace, null);
    }
  }

  /** DDPM draws at every step, the last included; DDIM does too, or never. */
  @ParameterizedTest
  @MethodSource("samplers")
  void drawsNoiseAsTheAuthorsDo(Sampler sampler) throws InterruptedException {
    int[] draws = {0};
    try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
      sampler.sample(plain(3), x, out -> draws[0]++, backend, workspace, null);
    }
    boolean silent = sampler instanceof DdimSampler ddim && ddim.eta() == 0;
    assertEquals(silent ? 0 : SCHEDULE.steps(), draws[0]);
  }

  @Test
  void refusesWhatDoesNotFit() {
    var learned = new DdpmSampler(SCHEDULE, Prediction.EPSILON, Variance.LEARNED_RANGE, false);
    var ddim = new DdimSampler(SCHEDULE, Prediction.EPSILON, false, 0);
    try (var x = backend.allocate(DType.F32, Shape.of(1, 2, 2, 3));
        var flat = backend.allocate(DType.F32, Shape.of(4, 3))) {
      fails(learned, PointwiseDenoiser.gaussian(false), x, "the network gives 1 channels");
      fails(ddim, PointwiseDenoiser.golden(4), x, "expected 3, or 6 with a variance");
      fails(ddim, plain(3), flat, "x is [4, 3], expected 4 axes");
      var euler = new EulerSampler(SigmaSchedule.edm(3));
      fails(euler, plain(3), x, "wrap the network as a PreconditionedDenoiser");
      try (var gray = backend.allocate(DType.F32, Shape.of(1, 2, 2, 1))) {
        fails(learned, PointwiseDenoiser.gaussian(false), gray, "choose a fixed variance");
      }
    }
    assertEquals(0, workspace.mark());
    for (double eta : new double[] {-0.1, 1.1, Double.NaN}) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new DdimSampler(SCHEDULE, Prediction.EPSILON, false, eta));
    }
  }

  private void fails(Sampler sampler, Denoiser denoiser, Tensor x, String message) {
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> sampler.sample(denoiser, x, out -> {}, backend, workspace, null));
    assertTrue(error.getMessage().contains(message), error.getMessage());
  }

  private Denoiser plain(int channels) {
    return PointwiseDenoiser.golden(channels);
  }
}
