package dev.gatun.models.clip;

import dev.gatun.models.KeyShapes;
import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * CLIP's text encoder, alone or in a file of the whole CLIP, whose other tensors are ignored; with
 * the names of Hugging Face transformers, with or without {@code text_model.} before them, or with
 * OpenAI's.
 */
public final class ClipTextFamily implements NetworkFamily {
  private static final String TOKENS = ClipTextConfig.PREFIX + "embeddings.token_embedding.weight";
  private static final String POSITIONS =
      ClipTextConfig.PREFIX + "embeddings.position_embedding.weight";

  /** The family; it has no state. */
  public ClipTextFamily() {}

  @Override
  public List<String> models() {
    return List.of("clip-text");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    return textLayout(keys).map(Layout.class::cast);
  }

  private static Optional<ClipTextLayout> textLayout(SequencedMap<String, Shape> keys) {
    var shapes = new KeyShapes(keys, "");
    if (shapes.any("text_model.embeddings.") || shapes.any("text_model.encoder.layers.")) {
      return Optional.of(new ClipTextLayout.Transformers(ClipTextConfig.PREFIX));
    }
    if (shapes.any("embeddings.token_embedding.") || shapes.any("embeddings.position_embedding.")) {
      return Optional.of(new ClipTextLayout.Transformers(""));
    }
    if (shapes.any("token_embedding.") && shapes.any("transformer.resblocks.")) {
      return Optional.of(new ClipTextLayout.OpenAi());
    }
    return Optional.empty();
  }

  @Override
  public ClipTextConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    var preset = ClipTextConfig.preset(hints.preset());
    if (preset.isPresent()) {
      return preset.get();
    }
    var layout =
        textLayout(keys)
            .orElseThrow(() -> new ParameterException("no CLIP text encoder has such tensors"));
    var shapes = new KeyShapes(keys, "a CLIP text encoder");
    var tokens = shapes.shape(layout.fileKey(TOKENS), 2);
    int vocab = tokens.dim(0);
    int width = tokens.dim(1);
    int layers = shapes.blocks(layout.layers());
    int positions = shapes.shape(layout.fileKey(POSITIONS), 2).dim(0);
    var fc1 = ClipTextConfig.PREFIX + "encoder.layers.0.mlp.fc1.weight";
    int hidden = shapes.shape(layout.fileKey(fc1), 2).dim(0);
    var published = ClipTextConfig.VIT_L_14;
    if (width != published.hiddenSize() || layers != published.numLayers()) {
      throw new ParameterException(
          ("a CLIP text encoder of depth %d and width %d is none that Gatun knows, and the shapes do"
                  + " not tell its heads; give a config.json such as {\"model\": \"clip-text\","
                  + " \"vocab_size\": %d, \"hidden_size\": %d, \"intermediate_size\": %d,"
                  + " \"num_hidden_layers\": %d, \"num_attention_heads\": …,"
                  + " \"max_position_embeddings\": %d}")
              .formatted(layers, width, vocab, width, hidden, layers, positions));
    }
    return new ClipTextConfig(
        vocab,
        width,
        hidden,
        layers,
        published.numHeads(),
        positions,
        published.activation(),
        published.eps());
  }

  /**
   * The {@code config.json} of a {@code CLIPTextModel}, or of a {@code CLIPModel}, which has it
   * under {@code text_config}; with the defaults of transformers. A width of its own needs its
   * number of heads, since no shape would show a wrong one.
   *
   * @throws JsonException if a value is missing or has the wrong type; the message names its key
   * @throws IllegalArgumentException if no text encoder has such arguments
   */
  @Override
  public ClipTextConfig describe(JsonObject json) {
    if (json.has("text_config")) {
      return describe(json.object("text_config"));
    }
    int width = json.integer("hidden_size", 512);
    return new ClipTextConfig(
        json.integer("vocab_size", 49408),
        width,
        json.integer("intermediate_size", 2048),
        json.integer("num_hidden_layers", 12),
        width == 512 ? json.integer("num_attention_heads", 8) : json.integer("num_attention_heads"),
        json.integer("max_position_embeddings", 77),
        activation(json.string("hidden_act", "quick_gelu")),
        json.number("layer_norm_eps", 1e-5));
  }

  private static Activation activation(String name) {
    return switch (name) {
      case "quick_gelu" -> Activation.QUICK_GELU;
      case "gelu" -> Activation.GELU_ERF;
      default ->
          throw new JsonException(
              "key 'hidden_act' is neither quick_gelu nor gelu, the activations of CLIP");
    };
  }

  @Override
  public Optional<ClipTextConfig> preset(String name) {
    return ClipTextConfig.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    if (!(config instanceof ClipTextConfig text)) {
      throw new ParameterException(config.name() + " is no CLIP text encoder");
    }
    return new ClipTextEncoder(text, parameters, backend);
  }
}
