package dev.gatun.models.diffit;

import dev.gatun.models.KeyShapes;
import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The latent DiffiT. Its shapes tell everything: the bias tables have a column for each head, and a
 * row for each offset in the grid.
 */
public final class DiffiTFamily implements NetworkFamily {
  private static final String BIAS = "blocks.0.attn.relative_position_bias_table";

  /** The family; it has no state. */
  public DiffiTFamily() {}

  @Override
  public List<String> models() {
    return List.of("diffit-latent", "diffit");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    boolean found = keys.containsKey(BIAS) || keys.containsKey("blocks.0.attn.qkv_temb.weight");
    return found ? Optional.of(new OriginalLayout()) : Optional.empty();
  }

  @Override
  public DiffiTLatentConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    var shapes = new KeyShapes(keys, "a DiffiT");
    var kernel = shapes.shape("x_embedder.proj.weight", 4);
    int d = kernel.dim(0);
    int channels = kernel.dim(1);
    int patch = kernel.dim(2);
    var bias = shapes.shape(BIAS, 2);
    int grid = RelativeBias.side(bias.dim(0));
    if (grid == 0) {
      throw new ParameterException(
          "tensor %s is %s, expected (2·grid - 1)² rows, one for each offset"
              .formatted(BIAS, bias));
    }
    int hidden = shapes.shape("blocks.0.mlp.fc1.weight", 2).dim(0);
    int labels = shapes.shape("y_embedder.embedding_table.weight", 2).dim(0);
    int out = shapes.shape("final_layer.linear.weight", 2).dim(0);
    if (labels < 2) {
      throw new ParameterException(
          "tensor y_embedder.embedding_table.weight has " + labels + " rows, expected 2 or more");
    }
    return new DiffiTLatentConfig(
        Math.multiplyExact(grid, patch),
        patch,
        channels,
        d,
        shapes.blocks("blocks."),
        bias.dim(1),
        KeyShapes.ratio(d, hidden),
        labels - 1,
        true,
        out == 2L * patch * patch * channels,
        Math.multiplyExact(grid, patch));
  }

  /**
   * {@inheritDoc}
   *
   * <p>The default depth is that of the released models, 28. A width of its own needs its number of
   * heads.
   */
  @Override
  public DiffiTLatentConfig describe(JsonObject json) {
    int size = json.integer("input_size", 32);
    return new DiffiTLatentConfig(
        size,
        json.integer("patch_size", 2),
        json.integer("in_channels", 4),
        json.integer("hidden_size", 1152),
        json.integer("depth", 28),
        json.has("hidden_size") ? json.integer("num_heads") : json.integer("num_heads", 16),
        json.number("mlp_ratio", 4),
        json.integer("num_classes", 1000),
        json.number("class_dropout_prob", 0.1) > 0,
        json.bool("learn_sigma", true),
        size);
  }

  @Override
  public List<String> published() {
    return List.of("DiffiT-256", "DiffiT-512");
  }

  @Override
  public Optional<DiffiTLatentConfig> preset(String name) {
    return DiffiTLatentConfig.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    if (!(config instanceof DiffiTLatentConfig diffit)) {
      throw new ParameterException(config.name() + " is no latent DiffiT");
    }
    return new DiffiTLatent(diffit, parameters, backend);
  }
}
