package dev.gatun.models.adm;

import static dev.gatun.models.adm.Backbone.EPS;
import static dev.gatun.models.adm.Backbone.GROUPS;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * ADM's UNet, as {@code UNetModel} and {@code SuperResModel} in the authors' {@code unet.py}.
 *
 * <p>Every block on the way up works on the concatenation of what came up to it and the result of a
 * block on the way down. The tensor for it is there from the beginning, and both write into their
 * columns of it; so nothing is copied.
 *
 * <p>Height and width may be any multiples of {@link Backbone#reduction}. The network owns its
 * weights; the workspace is the caller's.
 */
public final class AdmUNet implements DiffusionNetwork {
  private final AdmConfig config;
  private final Backend backend;
  private final Weights weights;
  private final TimeEmbedding timeEmbedding;
  private final AdmEncoder encoder;
  private final List<Block> output = new ArrayList<>();
  private final GroupNorm outNorm;
  private final Conv2d outConv;

  // Of the pass under way: the operand of each output block, and its right columns, which are the
  // results of the input blocks, last first.
  private final Tensor[] joined;
  private final Tensor[] skips;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public AdmUNet(AdmConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      var plan = config.plan();
      int c = config.backbone().channels(0);
      timeEmbedding = new TimeEmbedding(weights, config.backbone(), config.numClasses());
      encoder = new AdmEncoder(weights, plan);
      for (var block : plan.output()) {
        output.add(new Block(weights, block));
      }
      outNorm = new GroupNorm(weights, "out.0", c, GROUPS, EPS);
      outConv = new Conv2d(weights, "out.2", c, config.outChannels(), 3);
      joined = new Tensor[plan.output().size()];
      skips = new Tensor[plan.input().size()];
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public AdmConfig config() {
    return config;
  }

  @Override
  public Backend backend() {
    return backend;
  }

  /**
   * {@inheritDoc}
   *
   * @param x {@code [N, H, W, C]}; of a network that enlarges {@code [N, H, W, 2C]}, the small
   *     pictures at full size behind the noisy ones ({@link AdmSuperRes} puts them there)
   * @param y I64 {@code [N]}, classes; null for a network without
   */
  @Override
  public void forward(Tensor x, Tensor t, Tensor y, Workspace workspace, Tensor out) {
    requireMultiples(x);
    int n = x.dim(0);
    int mark = workspace.mark();
    var emb = workspace.take(n, config.backbone().embedding()); // (N, D)
    timeEmbedding.forward(t, y, workspace, emb);
    takeJoined(x, workspace);
    encoder.forward(x, emb, skips, workspace, left(0)); // (N, H', W', C)
    for (int i = 0; i < joined.length - 1; i++) {
      output.get(i).forward(joined[i], emb, workspace, left(i + 1)); // (N, H', W', C)
    }
    int c = config.backbone().channels(0);
    var h = workspace.take(n, x.dim(1), x.dim(2), c); // (N, H, W, C)
    output.getLast().forward(joined[joined.length - 1], emb, workspace, h);
    var u = workspace.take(n, x.dim(1), x.dim(2), c); // (N, H, W, C)
    outNorm.forward(h, Activation.SILU, u);
    outConv.forward(u, out); // (N, H, W, out channels)
    workspace.release(mark);
  }

  private void takeJoined(Tensor x, Workspace workspace) {
    for (int i = 0; i < joined.length; i++) {
      var plan = output.get(i).plan();
      int height = x.dim(1) / plan.rate();
      int width = x.dim(2) / plan.rate();
      joined[i] = workspace.take(x.dim(0), height, width, plan.in()); // (N, H', W', left + right)
      skips[skips.length - 1 - i] = joined[i].columns(leftWidth(i), plan.in());
    }
  }

  /** Where the block below an output block puts its result. */
  private Tensor left(int i) {
    return joined[i].columns(0, leftWidth(i));
  }

  private int leftWidth(int i) {
    return i == 0 ? config.backbone().innermost() : output.get(i - 1).plan().out();
  }

  private void requireMultiples(Tensor x) {
    int divisor = config.backbone().reduction();
    if (x.shape().rank() != 4 || x.dim(1) % divisor != 0 || x.dim(2) % divisor != 0) {
      throw new IllegalArgumentException(
          "x is %s, expected [N, H, W, %d] with height and width multiples of %d"
              .formatted(x.shape(), config.inChannels() + config.lowResChannels(), divisor));
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Takes {@code x}, {@code t}, where there are classes {@code y}, and where the network
   * enlarges {@code low_res} {@code [N, C, any, any]}; gives {@code out}.
   */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    try (var evaluation = new Evaluation(backend, inputs)) {
      var x = evaluation.image("x", config.inChannels());
      requireMultiples(x);
      int n = x.dim(0);
      var t = evaluation.floats("t", n);
      var y = config.numClasses() > 0 ? evaluation.indices("y", config.numClasses(), n) : null;
      var out = evaluation.allocate(n, x.dim(1), x.dim(2), config.outChannels());
      if (config.superRes()) {
        var small = evaluation.image("low_res", config.lowResChannels());
        try (var enlarging = new AdmSuperRes(this, small, x.dim(1), x.dim(2))) {
          enlarging.forward(x, t, y, evaluation.workspace(), out);
        }
      } else {
        forward(x, t, y, evaluation.workspace(), out);
      }
      return Map.of("out", evaluation.channelsFirst(out));
    }
  }

  @Override
  public Trial trial(int batch) {
    int side = config.imageSize();
    var trial = new NoiseTrial(backend);
    var x = trial.noise(batch, side, side, config.inChannels() + config.lowResChannels());
    var t = trial.zeros(DType.F32, batch);
    var y = trial.zeros(DType.I64, batch);
    var out = trial.zeros(DType.F32, batch, side, side, config.outChannels());
    return trial.of(() -> forward(x, t, y, trial.workspace(), out), out);
  }

  @Override
  public void close() {
    weights.close();
  }
}
