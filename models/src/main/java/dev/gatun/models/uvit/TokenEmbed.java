package dev.gatun.models.uvit;

import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.PatchEmbed;
import dev.gatun.models.layers.PositionInterpolation;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Makes one sequence of T = E + L tokens of everything that the network is told, with positions
 * added: {@code [label, time, patches]}, {@code [time, text, patches]} or {@code [time, patches]}.
 */
final class TokenEmbed {
  private static final double MAX_PERIOD = 10000;

  private final UViTConfig config;
  private final Backend backend;
  private final PatchEmbed patchEmbed;

  /** The MLP of the time; both null where the time is a token as it is. */
  private final Linear time0;

  private final Linear time2;

  /** The label table {@code [labels, D]}, or null. */
  private final Tensor labels;

  /** The projection of the text, or null. */
  private final Linear context;

  /** {@code [T, D]}. */
  private final Tensor positions;

  TokenEmbed(Weights weights, UViTConfig config) {
    this.config = config;
    backend = weights.backend();
    int d = config.embedDim();
    boolean mlp = config.mlpTimeEmbed();
    patchEmbed = new PatchEmbed(weights, "patch_embed", config.inChannels(), config.patchSize(), d);
    time0 = mlp ? new Linear(weights, "time_embed.0", d, 4 * d, Activation.SILU) : null;
    time2 = mlp ? new Linear(weights, "time_embed.2", 4 * d, d) : null;
    labels = config.labels() > 0 ? weights.tensor("label_emb.weight", config.labels(), d) : null;
    context =
        config.clipTokens() > 0 ? new Linear(weights, "context_embed", config.clipDim(), d) : null;
    positions = weights.tensor("pos_embed", config.stateDict().get("pos_embed"), this::positions);
  }

  /**
   * The stored position embedding {@code [1, E + trained L, D]} as {@code [T, D]}: the extras keep
   * theirs, those of the patches are interpolated where the grid is another.
   */
  private Tensor positions(Tensor stored) {
    float[] all = stored.toFloats();
    int d = config.embedDim();
    int extras = config.extras() * d;
    float[] trained = new float[all.length - extras];
    System.arraycopy(all, extras, trained, 0, trained.length);
    float[] grid = PositionInterpolation.table(trained, config.trainedGrid(), config.grid(), d);
    float[] result = new float[extras + grid.length];
    System.arraycopy(all, 0, result, 0, extras);
    System.arraycopy(grid, 0, result, extras, grid.length);
    return Tensor.of(Shape.of(config.tokens(), d), result);
  }

  /**
   * One sequence for each sample.
   *
   * @param x {@code [N, H, W, C]}
   * @param t {@code [N]}
   * @param condition I64 {@code [N]} labels, F32 {@code [N, text tokens, text width]}, or null
   * @param h {@code [N, T, D]}, the result
   */
  void forward(Tensor x, Tensor t, Tensor condition, Workspace workspace, Tensor h) {
    int n = x.dim(0);
    int d = config.embedDim();
    int mark = workspace.mark();
    if (labels != null) {
      backend.embed(labels, condition, tokens(h, 0, 1)); // (N, D)
    }
    int at = labels == null ? 0 : 1;
    embedTime(t, tokens(h, at, at + 1), workspace); // (N, D)
    if (context != null) {
      var text = workspace.take(n, config.clipTokens(), d); // (N, text tokens, D)
      context.forward(condition, text);
      copy(backend, text, tokens(h, 1, config.extras()));
    }
    var patches = workspace.take(n, config.tokens() - config.extras(), d); // (N, L, D)
    patchEmbed.forward(x, null, workspace, patches);
    copy(backend, patches, patches(h));
    backend.add(h, positions, h); // (N, T, D)
    workspace.release(mark);
  }

  private void embedTime(Tensor t, Tensor token, Workspace workspace) {
    backend.timestepEmbedding(t, MAX_PERIOD, token); // (N, D)
    if (time0 != null) {
      int mark = workspace.mark();
      var hidden = workspace.take(t.dim(0), 4 * config.embedDim()); // (N, 4D)
      time0.forward(token, hidden);
      time2.forward(hidden, token);
      workspace.release(mark);
    }
  }

  /** The tokens of the patches of a sequence {@code [N, T, D]}, as {@link #tokens}. */
  Tensor patches(Tensor h) {
    return tokens(h, config.extras(), config.tokens());
  }

  /**
   * Some tokens of every sample, one row for a sample: {@code [N, T, D]} seen as {@code [N, T·D]},
   * and of that some columns.
   */
  private Tensor tokens(Tensor h, int from, int to) {
    int d = config.embedDim();
    return matrix(h).columns(from * d, to * d);
  }

  /** Copies tokens, each side with a row for a sample or with a row for a token. */
  static void copy(Backend backend, Tensor from, Tensor to) {
    backend.copy(matrix(from), matrix(to));
  }

  private static Tensor matrix(Tensor x) {
    return x.shape().rank() == 2 ? x : x.reshape(x.dim(0), x.dim(1) * x.dim(2));
  }
}
