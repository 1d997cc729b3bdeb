package dev.gatun.models.layers;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Trial;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import dev.gatun.runtime.random.TorchRandom;

/** A trial on noise: it is first asked for what an evaluation needs, then told the evaluation. */
public final class NoiseTrial implements Trial {
  private final Backend backend;
  private final Weights owned;
  private final Workspace workspace;
  private final TorchRandom random = new TorchRandom(0);
  private Runnable evaluation;
  private Tensor out;

  public NoiseTrial(Backend backend) {
    this.backend = backend;
    owned = new Weights(backend, null);
    workspace = owned.own(backend.workspace());
  }

  /**
   * The evaluation of a diffusion network, told the first label or nothing, at time 0.
   *
   * @param network not one that is told a text
   */
  public static NoiseTrial of(DiffusionNetwork network, int batch) {
    var config = network.config();
    int side = config.inputSize();
    var trial = new NoiseTrial(network.backend());
    try {
      var x = trial.noise(batch, side, side, config.inChannels());
      var t = trial.zeros(DType.F32, batch);
      var labels =
          config.conditioning() == Conditioning.NONE ? null : trial.zeros(DType.I64, batch);
      var out = trial.zeros(DType.F32, batch, side, side, config.outChannels());
      return trial.of(() -> network.forward(x, t, labels, trial.workspace, out), out);
    } catch (RuntimeException | Error e) {
      trial.close();
      throw e;
    }
  }

  /** For the intermediates. */
  public Workspace workspace() {
    return workspace;
  }

  /** An input of numbers with mean 0 and variance 1. */
  public Tensor noise(int... dims) {
    var shape = Shape.of(dims);
    var numbers = new float[Math.toIntExact(shape.size())];
    random.normal(numbers, 0, numbers.length);
    var tensor = zeros(DType.F32, dims);
    try (var host = Tensor.of(shape, numbers)) {
      backend.copy(host, tensor);
    }
    return tensor;
  }

  /** An input of zeros, or room for the result. */
  public Tensor zeros(DType dtype, int... dims) {
    return owned.own(backend.allocate(dtype, Shape.of(dims)));
  }

  /**
   * Tells the evaluation.
   *
   * @param result where it goes, made by {@link #zeros}
   */
  public NoiseTrial of(Runnable run, Tensor result) {
    evaluation = run;
    out = result;
    return this;
  }

  @Override
  public void run() {
    evaluation.run();
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void close() {
    owned.close();
  }
}
