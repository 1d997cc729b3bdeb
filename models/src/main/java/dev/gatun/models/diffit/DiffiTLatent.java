package dev.gatun.models.diffit;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.GridPositions;
import dev.gatun.models.layers.LayerNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.PatchEmbed;
import dev.gatun.models.layers.TimestepEmbedding;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Map;

/**
 * The latent DiffiT, as in the authors' {@code diffit.py}: a plain vision transformer which learns
 * of time and class in its attention alone, through {@link Tmsa} over the whole grid.
 *
 * <p>N samples, T tokens, D the hidden size, p the patch size. The network owns its weights; the
 * workspace is the caller's.
 */
public final class DiffiTLatent implements DiffusionNetwork {
  private final DiffiTLatentConfig config;
  private final Backend backend;
  private final Weights weights;
  private final PatchEmbed xEmbedder;
  private final Tensor positions;
  private final TimestepEmbedding tEmbedder;
  private final Tensor labels;
  private final DiffiTBlock[] blocks;
  private final LayerNorm finalNorm;
  private final Linear finalLinear;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public DiffiTLatent(DiffiTLatentConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int d = config.hiddenSize();
      positions = GridPositions.load(weights, "pos_embed", config.trainedGrid(), config.grid(), d);
      xEmbedder = new PatchEmbed(weights, "x_embedder", config.inChannels(), config.patchSize(), d);
      tEmbedder = new TimestepEmbedding(weights, "t_embedder", DiffiTLatentConfig.FREQUENCIES, d);
      labels = weights.tensor("y_embedder.embedding_table.weight", config.labels(), d);
      blocks = new DiffiTBlock[config.depth()];
      for (int i = 0; i < blocks.length; i++) {
        blocks[i] = DiffiTBlock.latent(weights, "blocks." + i, config);
      }
      finalNorm = new LayerNorm(weights, DiffiTBlock.EPS);
      finalLinear = new Linear(weights, "final_layer.linear", d, config.outPatch());
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public DiffiTLatentConfig config() {
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
   * @param t {@code [N]}, original timesteps {@code 0 … 999}, any real number
   * @param y I64 {@code [N]}, classes; the number of classes means "none"
   * @param out {@code [N, H, W, C or 2C]}: noise, then variance where it is learned
   */
  @Override
  public void forward(Tensor x, Tensor t, Tensor y, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int mark = workspace.mark();
    var h = workspace.take(n, config.tokens(), config.hiddenSize()); // (N, T, D)
    xEmbedder.forward(x, positions, workspace, h);
    var c = workspace.take(n, config.hiddenSize()); // (N, D)
    backend.embed(labels, y, c);
    tEmbedder.addTo(t, c, workspace);
    for (var block : blocks) {
      block.forward(h, c, workspace); // (N, T, D)
    }
    finalNorm.forward(h, h);
    backend.activate(Activation.SILU, h, h);
    var tokens = workspace.take(n, config.tokens(), config.outPatch()); // (N, T, p·p·out)
    finalLinear.forward(h, tokens);
    backend.unpatchify(tokens, config.patchSize(), out); // (N, H, W, out channels)
    workspace.release(mark);
  }

  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    int side = config.inputSize();
    try (var evaluation = new Evaluation(backend, inputs)) {
      var x = evaluation.image("x", config.inChannels(), side, side);
      int n = x.dim(0);
      var t = evaluation.floats("t", n);
      var y = evaluation.indices("y", config.labels(), n);
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
