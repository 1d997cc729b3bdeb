package dev.gatun.models.clip;

import dev.gatun.models.Network;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.LayerNorm;
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
 * The text encoder of CLIP: from the ids of a text's tokens to its hidden states after the last
 * normalisation, which is what text-to-image models read. Nothing is pooled or projected, and
 * padding is not masked.
 *
 * <p>N texts of L tokens, D the width. The network owns its weights; the workspace is the caller's.
 */
public final class ClipTextEncoder implements Network {
  private final ClipTextConfig config;
  private final Backend backend;
  private final Weights weights;
  private final Tensor tokens;
  private final Tensor positions;
  private final List<ClipTextLayer> layers = new ArrayList<>();
  private final LayerNorm finalNorm;

  /**
   * Reads and packs the weights.
   *
   * @param parameters under the keys of Hugging Face's {@code CLIPTextModel}, as {@link
   *     ClipTextConfig#stateDict} has them
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public ClipTextEncoder(ClipTextConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int d = config.hiddenSize();
      var prefix = ClipTextConfig.PREFIX;
      tokens = weights.tensor(prefix + "embeddings.token_embedding.weight", config.vocabSize(), d);
      positions =
          weights.tensor(prefix + "embeddings.position_embedding.weight", config.positions(), d);
      for (int i = 0; i < config.numLayers(); i++) {
        layers.add(new ClipTextLayer(weights, prefix + "encoder.layers." + i, config));
      }
      finalNorm = new LayerNorm(weights, prefix + "final_layer_norm", d, (float) config.eps());
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  @Override
  public ClipTextConfig config() {
    return config;
  }

  /** The backend that it computes on. */
  public Backend backend() {
    return backend;
  }

  /**
   * One evaluation.
   *
   * @param ids I64 {@code [N, L]}, L as many as the encoder has positions
   * @param out {@code [N, L, D]}, the last hidden state
   */
  public void forward(Tensor ids, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    var h = workspace.take(ids.dim(0), config.positions(), config.hiddenSize()); // (N, L, D)
    backend.embed(tokens, ids, h);
    backend.add(h, positions, h);
    for (var layer : layers) {
      layer.forward(h, workspace); // (N, L, D)
    }
    finalNorm.forward(h, out); // (N, L, D)
    workspace.release(mark);
  }

  /** Takes {@code ids}, gives {@code last_hidden_state}. */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    var host = inputs.get("ids");
    int n = host == null || host.shape().rank() == 0 ? 1 : host.dim(0);
    try (var evaluation = new Evaluation(backend, inputs)) {
      var ids = evaluation.indices("ids", config.vocabSize(), n, config.positions());
      var out = evaluation.allocate(n, config.positions(), config.hiddenSize());
      forward(ids, evaluation.workspace(), out);
      return Map.of("last_hidden_state", evaluation.host(out));
    }
  }

  @Override
  public Trial trial(int batch) {
    var trial = new NoiseTrial(backend);
    var ids = trial.zeros(DType.I64, batch, config.positions());
    var out = trial.zeros(DType.F32, batch, config.positions(), config.hiddenSize());
    return trial.of(() -> forward(ids, trial.workspace(), out), out);
  }

  @Override
  public void close() {
    weights.close();
  }
}
