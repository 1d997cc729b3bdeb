package dev.gatun.models.dit;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.GridPositions;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.PatchEmbed;
import dev.gatun.models.layers.TimestepEmbedding;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The diffusion transformer with adaLN-Zero blocks, as in the authors' {@code models.py}.
 *
 * <p>N samples, T tokens, D the hidden size, p the patch size. The network owns its weights; the
 * workspace is the caller's.
 */
public final class DiT implements DiffusionNetwork {
  private final DiTConfig config;
  private final Backend backend;
  private final Weights weights;
  private final PatchEmbed xEmbedder;
  private final TimestepEmbedding tEmbedder;
  private final Tensor labels;
  private final Tensor positions;
  private final List<DiTBlock> blocks = new ArrayList<>();
  private final FinalLayer finalLayer;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public DiT(DiTConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int d = config.hiddenSize();
      xEmbedder = new PatchEmbed(weights, "x_embedder", config.inChannels(), config.patchSize(), d);
      tEmbedder = new TimestepEmbedding(weights, "t_embedder", DiTConfig.FREQUENCIES, d);
      labels = weights.tensor("y_embedder.embedding_table.weight", config.labels(), d);
      positions = GridPositions.load(weights, "pos_embed", config.trainedGrid(), config.grid(), d);
      for (int i = 0; i < config.depth(); i++) {
        blocks.add(new DiTBlock(weights, "blocks." + i, config));
      }
      finalLayer = new FinalLayer(weights, "final_layer", config);
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public DiTConfig config() {
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
    backend.activate(Activation.SILU, c, c); // the first layer of every adaLN modulation
    for (var block : blocks) {
      block.forward(h, c, workspace); // (N, T, D)
    }
    finalLayer.forward(h, c, workspace, out); // (N, H, W, out channels)
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
