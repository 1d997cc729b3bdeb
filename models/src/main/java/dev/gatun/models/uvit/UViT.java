package dev.gatun.models.uvit;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.LayerNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The U-shaped vision transformer, as in the authors' {@code libs/uvit.py} and {@code
 * libs/uvit_t2i.py}: everything is a token, the time and the label or the text too, and long skip
 * connections join the blocks of the way down with those of the way up.
 *
 * <p>N samples, D the width, p the patch size; T = E + L tokens, E extras before L patches: {@code
 * [label, time, patches]} or {@code [time, text, patches]}. The network owns its weights; the
 * workspace is the caller's.
 */
public final class UViT implements DiffusionNetwork {
  private final UViTConfig config;
  private final Backend backend;
  private final Weights weights;
  private final TokenEmbed embed;
  private final List<UViTBlock> inBlocks = new ArrayList<>();
  private final UViTBlock midBlock;
  private final List<UViTBlock> outBlocks = new ArrayList<>();
  private final LayerNorm norm;
  private final Linear decoder;

  /** The last convolution, or null. */
  private final Conv2d finalLayer;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public UViT(UViTConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int d = config.embedDim();
      int channels = config.inChannels();
      embed = new TokenEmbed(weights, config);
      for (int i = 0; i < config.half(); i++) {
        inBlocks.add(new UViTBlock(weights, "in_blocks." + i, config, false));
      }
      midBlock = new UViTBlock(weights, "mid_block", config, false);
      for (int i = 0; i < config.half(); i++) {
        outBlocks.add(new UViTBlock(weights, "out_blocks." + i, config, true));
      }
      norm = new LayerNorm(weights, "norm", d, UViTBlock.EPS);
      decoder = new Linear(weights, "decoder_pred", d, config.patchWidth());
      finalLayer = config.conv() ? new Conv2d(weights, "final_layer", channels, channels, 3) : null;
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public UViTConfig config() {
    return config;
  }

  @Override
  public Backend backend() {
    return backend;
  }

  /**
   * {@inheritDoc}
   *
   * @param t {@code [N]}: {@code 999·t} with t in 0 … 1 for models of continuous time, 1 … 1000 for
   *     those of discrete time; any real number
   * @param condition I64 {@code [N]} labels, F32 {@code [N, text tokens, text width]}, or null
   */
  @Override
  public void forward(Tensor x, Tensor t, Tensor condition, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int mark = workspace.mark();
    var h = workspace.take(n, config.tokens(), config.embedDim()); // (N, T, D)
    embed.forward(x, t, condition, workspace, h);
    descend(0, h, workspace); // (N, T, D)
    decode(h, workspace, out); // (N, H, W, C)
    workspace.release(mark);
  }

  /**
   * One level of the U: a block of the way down, everything below, and the block of the way up that
   * joins both.
   */
  private void descend(int level, Tensor h, Workspace workspace) {
    if (level == config.half()) {
      midBlock.forward(h, workspace);
      return;
    }
    int d = config.embedDim();
    int mark = workspace.mark();
    inBlocks.get(level).forward(h, workspace); // (N, T, D)
    var both = workspace.take(h.dim(0), h.dim(1), 2 * d); // (N, T, 2D): from below, from here
    backend.copy(h, both.columns(d, 2 * d));
    descend(level + 1, h, workspace);
    backend.copy(h, both.columns(0, d));
    outBlocks.get(config.half() - 1 - level).forward(both, h, workspace); // (N, T, D)
    workspace.release(mark);
  }

  /** {@code [N, T, D] → [N, H, W, C]}; the extras are left out, for a token is decoded alone. */
  private void decode(Tensor h, Workspace workspace, Tensor out) {
    int n = h.dim(0);
    int patches = config.tokens() - config.extras();
    int mark = workspace.mark();
    var u = workspace.take(n, patches, config.embedDim()); // (N, L, D)
    TokenEmbed.copy(backend, embed.patches(h), u);
    norm.forward(u, u);
    var pixels = workspace.take(n, patches, config.patchWidth()); // (N, L, p·p·C)
    decoder.forward(u, pixels);
    if (finalLayer == null) {
      backend.unpatchify(pixels, config.patchSize(), out); // (N, H, W, C)
    } else {
      var image = workspace.take(n, out.dim(1), out.dim(2), out.dim(3)); // (N, H, W, C)
      backend.unpatchify(pixels, config.patchSize(), image);
      finalLayer.forward(image, out);
    }
    workspace.release(mark);
  }

  /** Takes {@code x} and {@code t}, and {@code y} or {@code context}; gives {@code out}. */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    int side = config.inputSize();
    try (var evaluation = new Evaluation(backend, inputs)) {
      var x = evaluation.image("x", config.inChannels(), side, side);
      int n = x.dim(0);
      var t = evaluation.floats("t", n);
      var condition =
          switch (config.conditioning()) {
            case NONE -> null;
            case LABEL -> evaluation.indices("y", config.labels(), n);
            case TEXT -> evaluation.floats("context", n, config.clipTokens(), config.clipDim());
          };
      var out = evaluation.allocate(n, side, side, config.outChannels());
      forward(x, t, condition, evaluation.workspace(), out);
      return Map.of("out", evaluation.channelsFirst(out));
    }
  }

  @Override
  public Trial trial(int batch) {
    int side = config.inputSize();
    var trial = new NoiseTrial(backend);
    var x = trial.noise(batch, side, side, config.inChannels());
    var t = trial.zeros(DType.F32, batch);
    var condition =
        switch (config.conditioning()) {
          case NONE -> null;
          case LABEL -> trial.zeros(DType.I64, batch);
          case TEXT -> trial.noise(batch, config.clipTokens(), config.clipDim());
        };
    var out = trial.zeros(DType.F32, batch, side, side, config.inChannels());
    return trial.of(() -> forward(x, t, condition, trial.workspace(), out), out);
  }

  @Override
  public void close() {
    weights.close();
  }
}
