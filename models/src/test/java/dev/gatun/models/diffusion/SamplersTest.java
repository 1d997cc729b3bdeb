package dev.gatun.models.diffusion;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every sampler by name, with every kind of network that it can sample. */
class SamplersTest {
  private static final long SEED = 5;
  private static final int STEPS = 20;

  private static final NoiseSchedule LINEAR = NoiseSchedule.linear(1000);
  private static final NoiseSchedule STABLE = NoiseSchedule.scaledLinear(1000).toldAs(i -> i + 1);

  private final Backend backend = TestBackend.open();
  private final Workspace workspace = backend.workspace();

  @AfterEach
  void close() {
    workspace.close();
    backend.close();
  }

  static List<String> names() {
    return Samplers.names();
  }

  static Stream<Arguments> namesAndProcesses() {
    return pairs("adm", "uvit", "uvit-v", "vp", "vp-image", "cosine", "edm", "edm-iddpm");
  }

  static Stream<Arguments> guided() {
    return pairs("adm", "vp-image", "edm");
  }

  private static Stream<Arguments> pairs(String... processes) {
    return names().stream()
        .filter(name -> !name.equals("ddim-reverse"))
        .flatMap(
            name ->
                Stream.of(processes)
                    .filter(process -> !process.startsWith("edm") || isInSigmaSpace(name))
                    .map(process -> Arguments.of(name, process)));
  }

  private static boolean isInSigmaSpace(String name) {
    return Samplers.of(name, process("adm"), SamplerSettings.steps(STEPS)).preconditioning()
        != null;
  }

  private static DiffusionProcess process(String name) {
    var small = Variance.FIXED_SMALL;
    return switch (name) {
      case "adm" -> new DiffusionProcess.Discrete(LINEAR, Prediction.EPSILON, small);
      case "uvit" -> new DiffusionProcess.Discrete(STABLE, Prediction.EPSILON, small);
      case "uvit-v" -> new DiffusionProcess.Discrete(STABLE, Prediction.V, small);
      case "vp" -> new DiffusionProcess.Continuous(LinearVp.uvit(), Prediction.EPSILON);
      case "vp-image" -> new DiffusionProcess.Continuous(LinearVp.uvit(), Prediction.X_0);
      case "cosine" -> new DiffusionProcess.Continuous(new CosineVp(1), Prediction.SCORE);
      case "edm" -> DiffusionProcess.Edm.standard();
      case "edm-iddpm" ->
          new DiffusionProcess.Edm(
              new Preconditioning.Vp(new NetworkTime.OfIDdpm(), Prediction.EPSILON), 0.002, 81);
      default -> throw new IllegalArgumentException(name);
    };
  }

  /** The network that was trained perfectly in a process. */
  private static Denoiser network(String process, int channels, boolean guided) {
    return switch (process) {
      case "adm" -> {
        var curve = InterpolatedVp.of(LINEAR);
        yield new GaussianWorld(
            t -> curve.alpha((t + 1) / 1000),
            t -> curve.sigma((t + 1) / 1000),
            Prediction.EPSILON,
            channels,
            guided);
      }
      case "uvit", "uvit-v" -> {
        var curve = InterpolatedVp.of(STABLE);
        yield new GaussianWorld(
            t -> curve.alpha(t / 1000),
            t -> curve.sigma(t / 1000),
            process.equals("uvit") ? Prediction.EPSILON : Prediction.V,
            channels,
            guided);
      }
      case "vp", "vp-image" -> {
        var curve = LinearVp.uvit();
        yield new GaussianWorld(
            t -> curve.alpha(t / 999),
            t -> curve.sigma(t / 999),
            process.equals("vp") ? Prediction.EPSILON : Prediction.X_0,
            channels,
            guided);
      }
      case "cosine" -> {
        var curve = new CosineVp(1);
        yield new GaussianWorld(curve::alpha, curve::sigma, Prediction.SCORE, channels, guided);
      }
      case "edm" -> new EdmNetwork(channels, guided);
      case "edm-iddpm" -> {
        var levels = new NetworkTime.OfIDdpm().levels();
        yield new GaussianWorld(
            t -> 1 / Math.sqrt(1 + square(levels[999 - (int) t])),
            t -> levels[999 - (int) t] / Math.sqrt(1 + square(levels[999 - (int) t])),
            Prediction.EPSILON,
            channels,
            guided);
      }
      default -> throw new IllegalArgumentException(process);
    };
  }

  private static double square(double x) {
    return x * x;
  }

  /** F of {@link Preconditioning.Edm} for the D of the {@link GaussianWorld}. */
  private record EdmNetwork(int outChannels, boolean guided) implements Denoiser {
    private static final Preconditioning EDM = new Preconditioning.Edm();

    private GaussianWorld world() {
      return new GaussianWorld(t -> 1, t -> t, Prediction.X_0, outChannels, guided);
    }

    @Override
    public void predict(Tensor x, double t, Tensor out) {
      double sigma = Math.exp(4 * t);
      try (var unscaled = scaled(1 / EDM.in(sigma), x)) {
        world().predict(unscaled, sigma, out);
        float[] d = out.toFloats();
        float[] values = unscaled.toFloats();
        for (int i = 0; i < d.length; i++) {
          d[i] = (float) ((d[i] - EDM.skip(sigma) * values[i]) / EDM.out(sigma));
        }
        out.setFloats(d);
      }
    }

    /** With respect to what the network sees. */
    @Override
    public Gradient guidance() {
      if (!guided) {
        return null;
      }
      return (x, t, out) -> {
        double sigma = Math.exp(4 * t);
        try (var unscaled = scaled(1 / EDM.in(sigma), x)) {
          world().guidance().at(unscaled, sigma, out);
        }
        try (var g = scaled(1 / EDM.in(sigma), out)) {
          out.setFloats(g.toFloats());
        }
      };
    }

    private static Tensor scaled(double factor, Tensor x) {
      float[] values = x.toFloats();
      for (int i = 0; i < values.length; i++) {
        values[i] *= (float) factor;
      }
      return Tensor.of(x.shape(), values);
    }
  }

  @ParameterizedTest
  @MethodSource("namesAndProcesses")
  void samplesWhatTheNetworkKnows(String name, String process) throws InterruptedException {
    distribution(name, process, false, GaussianWorld.MEAN, GaussianWorld.VARIANCE);
  }

  @ParameterizedTest
  @MethodSource("guided")
  void followsAClassifier(String name, String process) throws InterruptedException {
    distribution(name, process, true, GaussianWorld.GUIDED_MEAN, GaussianWorld.GUIDED_VARIANCE);
  }

  private void distribution(
      String name, String process, boolean guided, double mean, double variance)
      throws InterruptedException {
    var sampling = Samplers.of(name, process(process), SamplerSettings.steps(steps(name)));
    try (var x = backend.allocate(DType.F32, Shape.of(1, 20, 20, 3))) {
      var noise = Noise.torch(SEED, backend);
      noise.next(x);
      var denoiser = sampling.denoiser(network(process, 3, guided), 3, backend, workspace);
      accurate(sampling.sampler()).sample(denoiser, x, noise, backend, workspace, null);
      float[] values = x.toFloats();
      double sum = 0;
      for (float value : values) {
        sum += value;
      }
      double found = sum / values.length;
      double squares = 0;
      for (float value : values) {
        squares += square(value - found);
      }
      double deviation = Math.sqrt(squares / values.length);
      assertEquals(mean, found, 0.05, "mean, seed 5");
      assertEquals(Math.sqrt(variance), deviation, 0.03, "deviation, seed 5");
    }
  }

  /** The methods of first order need more. */
  private static int steps(String name) {
    return switch (name) {
      case "ddpm", "ddim", "em-sde", "em-ode", "edm-euler", "euler", "euler-a" -> 250;
      default -> 60;
    };
  }

  /** By default an adaptive sampler takes an error of 5 percent a step for none. */
  private static Sampler accurate(Sampler sampler) {
    var tolerance = new DpmSolverAdaptive.Tolerance(0.001, 0.005, 0.05, 0.81);
    return switch (sampler) {
      case DpmAdaptiveSampler(double least, double most, int order, _, Ancestral ancestral) ->
          new DpmAdaptiveSampler(least, most, order, tolerance, ancestral);
      case DpmSolverAdaptive(DpmSolver solver, int order, _) ->
          new DpmSolverAdaptive(solver, order, tolerance);
      default -> sampler;
    };
  }

  @ParameterizedTest
  @MethodSource("names")
  void allocatesNothingAfterTheFirstStep(String name) throws InterruptedException {
    // each array or tensor of this batch would be 6 KiB or more
    var settings = SamplerSettings.steps(STEPS);
    if (Samplers.entry(name).options().contains(Samplers.Option.CLIP)) {
      settings = settings.with(new X0Correction.DynamicThresholding(0.9, 0.6));
    } else {
      var clipped = settings.with(X0Correction.clip(true));
      var e =
          assertThrows(
              IllegalArgumentException.class, () -> Samplers.of(name, process("adm"), clipped));
      assertTrue(e.getMessage().startsWith(name + " takes no clip; "), e.getMessage());
    }
    var sampling = Samplers.of(name, process("adm"), settings);
    try (var x = backend.allocate(DType.F32, Shape.of(2, 16, 16, 3))) {
      var noise = Noise.perImage(SEED, 0, backend);
      noise.next(x);
      var denoiser = sampling.denoiser(backendNetwork(), 3, backend, workspace);
      long[] first = new long[1];
      long[] last = new long[1];
      StepListener listener =
          (done, steps, x0) -> {
            last[0] = Allocated.bytes();
            if (done == 1) {
              first[0] = last[0];
            }
          };
      sampling.sampler().sample(denoiser, x, noise, backend, workspace, listener);
      long held = workspace.bytes();
      noise.next(x);
      sampling.sampler().sample(denoiser, x, noise, backend, workspace, listener);
      long after = last[0] - first[0];
      assertTrue(after < 1024, after + " bytes after the first step");
      assertEquals(held, workspace.bytes());
      assertEquals(0, workspace.mark());
    }
  }

  /** A guided network that computes with the backend alone and allocates nothing. */
  private Denoiser backendNetwork() {
    Denoiser network =
        new Denoiser() {
          @Override
          public int outChannels() {
            return 6;
          }

          @Override
          public void predict(Tensor x, double t, Tensor out) {
            backend.combine(0.5 + t / 2000, x, 0, null, out.columns(0, 3));
            backend.combine(0.3, x, 0, null, out.columns(3, 6));
          }
        };
    return network.guidedBy((x, t, out) -> backend.combine(0.1, x, 0, null, out));
  }

  @ParameterizedTest
  @MethodSource("names")
  void tellsEachStepAndRepeatsItself(String name) throws InterruptedException {
    var sampling = Samplers.of(name, process("vp"), SamplerSettings.steps(STEPS));
    var results = new ArrayList<float[]>();
    for (int run = 0; run < 2; run++) {
      var told = new ArrayList<Integer>();
      try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
        var noise = Noise.torch(SEED, backend);
        noise.next(x);
        int[] all = {0};
        var denoiser = sampling.denoiser(network("vp", 3, false), 3, backend, workspace);
        sampling
            .sampler()
            .sample(
                denoiser,
                x,
                noise,
                backend,
                workspace,
                (done, steps, x0) -> {
                  assertEquals(x.shape(), x0.shape());
                  assertTrue(done <= steps, done + " of " + steps);
                  for (float value : x0.toFloats()) {
                    assertTrue(Math.abs(value) < 4, "x0 is " + value);
                  }
                  told.add(done);
                  all[0] = steps;
                });
        assertEquals(all[0], told.size());
        for (int i = 0; i < told.size(); i++) {
          assertEquals(i + 1, told.get(i));
        }
        results.add(x.toFloats());
      }
    }
    assertArrayEquals(results.get(0), results.get(1));
  }

  @ParameterizedTest
  @MethodSource("names")
  void backendsAgree(String name) throws InterruptedException {
    var sampling = Samplers.of(name, process("vp"), SamplerSettings.steps(STEPS));
    var network = network("vp", 3, true);
    var results = new ArrayList<float[]>();
    try (var cpu = Backend.open(Device.CPU, "cpu", 2)) {
      for (var computing : List.of(backend, cpu)) {
        try (var space = computing.workspace();
            var x = computing.allocate(DType.F32, Shape.of(2, 3, 5, 3))) {
          var noise = Noise.torch(SEED, computing);
          noise.next(x);
          var denoiser = sampling.denoiser(network, 3, computing, space);
          sampling.sampler().sample(denoiser, x, noise, computing, space, null);
          results.add(x.toFloats());
        }
      }
    }
    assertArrayEquals(results.get(0), results.get(1), 1e-3f, "seed 5");
  }

  @ParameterizedTest
  @MethodSource("names")
  void stopsBetweenStepsWhenInterrupted(String name) throws InterruptedException {
    var sampling = Samplers.of(name, process("vp"), SamplerSettings.steps(STEPS));
    var told = new ArrayList<Integer>();
    try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
      var noise = Noise.torch(SEED, backend);
      noise.next(x);
      var denoiser = sampling.denoiser(network("vp", 3, false), 3, backend, workspace);
      var error =
          assertThrows(
              InterruptedException.class,
              () ->
                  sampling
                      .sampler()
                      .sample(
                          denoiser,
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
      assertTrue(error.getMessage().startsWith("interrupted after 2 of "), error.getMessage());
      assertFalse(Thread.interrupted());
      assertEquals(List.of(1, 2), told);
      assertEquals(0, workspace.mark());
    }
  }

  /** Encoding images and decoding them again gives them back. */
  @Test
  void reverseUndoesDdim() throws InterruptedException {
    var settings = SamplerSettings.steps(500);
    var reverse = Samplers.of("ddim-reverse", process("adm"), settings);
    var forward = Samplers.of("ddim", process("adm"), settings);
    try (var x = backend.allocate(DType.F32, Shape.of(1, 3, 5, 3))) {
      Noise.torch(SEED, backend).next(x);
      backend.combine(0.5, x, 0, null, x);
      float[] before = x.toFloats();
      var network = network("adm", 3, false);
      reverse.sampler().sample(network, x, out -> {}, backend, workspace, null);
      forward.sampler().sample(network, x, out -> {}, backend, workspace, null);
      assertArrayEquals(before, x.toFloats(), 0.03f);
    }
  }

  @Test
  void saysWhatDoesNotFit() {
    var settings = SamplerSettings.steps(STEPS);
    refused("there is no sampler 'plms'", "plms", "adm", settings);
    refused("ddpm takes no eta; leave it out", "ddpm", "adm", settings.withEta(1));
    refused("euler-a takes no churn", "euler-a", "adm", settings.with(Churn.of(5)));
    refused("em-sde takes no order", "em-sde", "vp", settings.withOrder(2));
    for (var name : names()) {
      if (!isInSigmaSpace(name)) {
        refused(name + " cannot sample a network", name, "edm", settings);
      }
    }
    var previous =
        new DiffusionProcess.Discrete(LINEAR, Prediction.PREVIOUS_X, Variance.FIXED_SMALL);
    Samplers.of("ddpm", previous, settings);
    for (var name : List.of("dpm-solver++", "em-sde", "euler")) {
      var error =
          assertThrows(IllegalArgumentException.class, () -> Samplers.of(name, previous, settings));
      assertTrue(error.getMessage().contains("only ddpm and ddim can use"), error.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> SamplerSettings.steps(0));
  }

  private static void refused(
      String message, String name, String process, SamplerSettings settings) {
    var error =
        assertThrows(
            IllegalArgumentException.class, () -> Samplers.of(name, process(process), settings));
    assertTrue(error.getMessage().startsWith(message), error.getMessage());
  }
}
