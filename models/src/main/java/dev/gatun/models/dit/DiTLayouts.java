package dev.gatun.models.dit;

import dev.gatun.models.KeyShapes;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/** Tells what DiT a state dict is from its keys and shapes, or from a description. */
public final class DiTLayouts {
  private DiTLayouts() {}

  /** Whether the keys are those of the authors' code. */
  public static boolean isOriginal(SequencedMap<String, Shape> keys) {
    return keys.containsKey("x_embedder.proj.weight")
        && keys.containsKey("blocks.0.adaLN_modulation.1.weight")
        && keys.containsKey("final_layer.adaLN_modulation.1.weight");
  }

  /** Whether the keys are those of Hugging Face diffusers. */
  public static boolean isDiffusers(SequencedMap<String, Shape> keys) {
    return keys.containsKey("transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight");
  }

  /**
   * A description in the authors' own constructor arguments, with their defaults, which are those
   * of DiT-XL/2. A width of its own needs its number of heads, since no shape would show a wrong
   * one.
   *
   * @throws JsonException if a value is missing or has the wrong type; the message names its key
   * @throws IllegalArgumentException if no DiT has such arguments
   */
  public static DiTConfig fromDescription(JsonObject json) {
    return new DiTConfig(
        json.integer("input_size", 32),
        json.integer("patch_size", 2),
        json.integer("in_channels", 4),
        json.integer("hidden_size", 1152),
        json.integer("depth", 28),
        json.has("hidden_size") ? json.integer("num_heads") : json.integer("num_heads", 16),
        json.number("mlp_ratio", 4),
        json.integer("num_classes", 1000),
        json.number("class_dropout_prob", 0.1) > 0,
        json.bool("learn_sigma", true));
  }

  /**
   * The {@code config.json} of diffusers' {@code DiTTransformer2DModel} (or its older {@code
   * Transformer2DModel}).
   *
   * @throws JsonException if a value has the wrong type; the message names its key
   * @throws IllegalArgumentException if no DiT has such arguments
   */
  public static DiTConfig fromDiffusersDescription(JsonObject json) {
    int heads = json.integer("num_attention_heads", 16);
    int headSize = json.integer("attention_head_dim", 72);
    int in = json.integer("in_channels", 4);
    if (heads < 1 || headSize < 1 || (long) heads * headSize > Integer.MAX_VALUE) {
      throw new JsonException(
          "key 'num_attention_heads' is "
              + heads
              + " and 'attention_head_dim' is "
              + headSize
              + ", expected two positive numbers whose product is the width");
    }
    return new DiTConfig(
        json.integer("sample_size", 32),
        json.integer("patch_size", 2),
        in,
        heads * headSize,
        json.integer("num_layers", 28),
        heads,
        4,
        json.integer("num_embeds_ada_norm", 1000),
        true,
        json.integer("out_channels", in) == 2 * in);
  }

  /**
   * Reads the configuration off the shapes of a state dict in the authors' layout.
   *
   * @param heads the number of heads if something tells it, else 0: shapes do not show it, but the
   *     published sizes have one each
   * @param inputSize used where no position embedding is stored, else 0
   * @throws ParameterException if a key is missing or the shapes do not tell
   */
  public static DiTConfig infer(SequencedMap<String, Shape> keys, int heads, int inputSize) {
    var shapes = new KeyShapes(keys, "a DiT");
    var kernel = shapes.shape("x_embedder.proj.weight", 4);
    int d = kernel.dim(0);
    int channels = kernel.dim(1);
    int patch = kernel.dim(2);
    int depth = shapes.blocks("blocks.");
    int side = inputSize;
    if (keys.containsKey("pos_embed")) {
      int tokens = shapes.shape("pos_embed", 3).dim(1);
      int grid = (int) Math.round(Math.sqrt(tokens));
      if ((long) grid * grid != tokens) {
        throw new ParameterException(
            "tensor pos_embed has "
                + tokens
                + " tokens, which is no square grid; give --config with input_size");
      }
      side = (int) Math.min(Integer.MAX_VALUE, (long) grid * patch);
    }
    if (side == 0) {
      throw new ParameterException(
          "the file stores no position embedding, so its shapes do not tell the picture size;"
              + " give --config with input_size 32 (256 px) or 64 (512 px)");
    }
    int known = heads != 0 ? heads : DiTConfig.publishedHeads(d, depth);
    if (known == 0) {
      throw new ParameterException(
          "a DiT of depth "
              + depth
              + " and width "
              + d
              + " is no published size, and the shapes do not tell its heads; give --config with a"
              + " file such as {\"model\": \"dit\", \"input_size\": %d, \"patch_size\": %d,"
                  .formatted(side, patch)
              + " \"in_channels\": %d, \"hidden_size\": %d, \"depth\": %d, \"num_heads\": …}"
                  .formatted(channels, d, depth));
    }
    int hidden = shapes.shape("blocks.0.mlp.fc1.weight", 2).dim(0);
    int out = shapes.shape("final_layer.linear.weight", 2).dim(0);
    int labels = shapes.shape("y_embedder.embedding_table.weight", 2).dim(0);
    if (labels < 2) {
      throw new ParameterException(
          "tensor y_embedder.embedding_table.weight has " + labels + " rows, expected 2 or more");
    }
    boolean learnSigma = out == 2L * patch * patch * channels;
    double ratio = KeyShapes.ratio(d, hidden); // DiTConfig rounds down
    return new DiTConfig(
        side, patch, channels, d, depth, known, ratio, labels - 1, true, learnSigma);
  }

  /** Every tensor of a diffusers file of a configuration, with its shape. */
  public static SequencedMap<String, Shape> diffusersStateDict(DiTConfig config) {
    return DiffusersLayout.stateDict(config);
  }

  /** The same tensors under the authors' keys. */
  public static Parameters fromDiffusers(Parameters diffusers) {
    return new DiffusersLayout(diffusers);
  }
}
