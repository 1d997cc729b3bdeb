package dev.gatun.models.diffit;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.TimestepEmbedding;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Map;

/**
 * The U-shaped DiffiT of images, section 3.2 of the paper. The authors released neither code nor
 * weights of it; where the paper is silent this is one reading of it: strided convolutions down,
 * repetition and a convolution up, skips joined and fused by a convolution of 1×1.
 *
 * <p>N samples, C channels of a stage. The network owns its weights; the workspace is the caller's.
 */
public final class DiffiTImage implements DiffusionNetwork {
  private final DiffiTImageConfig config;
  private final Backend backend;
  private final Weights weights;
  private final Conv2d stem;
  private final TimestepEmbedding timeMlp;

  /** {@code [classes + 1, time dim]}, or null without classes. */
  private final Tensor labels;

  private final Stage stage;
  private final GroupNorm normOut;
  private final Conv2d head;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public DiffiTImage(DiffiTImageConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int channels = config.dims().getFirst();
      int d = config.timeDim();
      int groups = DiffiTImageConfig.groups(channels);
      stem = new Conv2d(weights, "stem", config.inChannels(), channels, 3);
      timeMlp = new TimestepEmbedding(weights, "time_mlp.0", "time_mlp.2", config.frequencies(), d);
      labels =
          config.numClasses() == 0
              ? null
              : weights.tensor("label_emb.weight", config.numClasses() + 1, d);
      stage = new Stage(weights, config, 0);
      normOut = new GroupNorm(weights, "norm_out", channels, groups, DiffiTImageConfig.GROUP_EPS);
      head = new Conv2d(weights, "head", channels, config.outChannels(), 3);
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public DiffiTImageConfig config() {
    return config;
  }

  @Override
  public Backend backend() {
    return backend;
  }

  /**
   * One evaluation.
   *
   * @param x {@code [N, H, W, C]}
   * @param t {@code [N]}, as {@link DiffiTImageConfig#training} says: timesteps {@code 0 … 999}, or
   *     {@code ln(σ)/4}
   * @param y I64 {@code [N]}, classes, of which the number of classes means "none"; null if the
   *     network knows no classes
   * @param out {@code [N, H, W, C or 2C]}: the prediction, then variance where it is learned
   */
  @Override
  public void forward(Tensor x, Tensor t, Tensor y, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int mark = workspace.mark();
    var c = workspace.take(n, config.timeDim()); // (N, time dim)
    if (labels == null) {
      timeMlp.forward(t, workspace, c);
    } else {
      backend.embed(labels, y, c);
      timeMlp.addTo(t, c, workspace);
    }
    int channels = config.dims().getFirst();
    var h = workspace.take(n, x.dim(1), x.dim(2), channels); // (N, H, W, C)
    stem.forward(x, h);
    stage.forward(h, c, workspace);
    normOut.forward(h, Activation.SILU, h);
    head.forward(h, out); // (N, H, W, out channels)
    workspace.release(mark);
  }

  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    int side = config.inputSize();
    try (var evaluation = new Evaluation(backend, inputs)) {
      var x = evaluation.image("x", config.inChannels(), side, side);
      int n = x.dim(0);
      var t = evaluation.floats("t", n);
      var y = labels == null ? null : evaluation.indices("y", labels.dim(0), n);
      var out = evaluation.allocate(n, side, side, config.outChannels());
      forward(x, t, y, evaluation.workspace(), out);
      return Map.of("out", evaluation.channelsFirst(out));
    }
  }

  @Override
  public Trial trial(int batch) {
    return NoiseTrial.of(this, batch);
  }

  @Override
  public void close() {
    weights.close();
  }
}
