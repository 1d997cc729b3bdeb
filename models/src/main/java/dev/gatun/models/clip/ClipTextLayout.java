package dev.gatun.models.clip;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily.Layout;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/** The namings of CLIP's text encoder: that of Hugging Face transformers, and OpenAI's own. */
sealed interface ClipTextLayout extends Layout {
  /** The name in the file of a tensor that it stores as it is. */
  String fileKey(String key);

  /** What the numbers of layers follow in the file. */
  String layers();

  /**
   * As in transformers.
   *
   * @param prefix {@code text_model.}; or nothing, as {@code CLIPTextModel} saves itself since it
   *     needs no such prefix any more
   */
  record Transformers(String prefix) implements ClipTextLayout {
    private static final List<String> OTHERS =
        List.of("vision_model.", "visual_projection.", "text_projection.", "logit_scale");

    @Override
    public String name() {
      return "transformers";
    }

    @Override
    public String fileKey(String key) {
      return prefix + key.substring(ClipTextConfig.PREFIX.length());
    }

    @Override
    public String layers() {
      return prefix + "encoder.layers.";
    }

    @Override
    public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
      var keys = new LinkedHashMap<String, Shape>();
      config.stateDict().forEach((key, shape) -> keys.put(fileKey(key), shape));
      return keys;
    }

    @Override
    public Parameters adapt(NetworkConfig config, Parameters file) {
      return new Parameters() {
        @Override
        public boolean has(String key) {
          return file.has(fileKey(key));
        }

        @Override
        public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
          return file.read(fileKey(key), expected, use);
        }
      };
    }

    /** What else the whole CLIP has, and the numbers 0 to 76 that older files store. */
    @Override
    public boolean ignored(String key) {
      return OTHERS.stream().anyMatch(key::startsWith) || key.endsWith(".position_ids");
    }
  }

  /** As in OpenAI's code, where q, k and v are packed one below the other. */
  record OpenAi() implements ClipTextLayout {
    private static final Pattern LAYER =
        Pattern.compile("text_model\\.encoder\\.layers\\.(\\d+)\\.(.+)\\.(weight|bias)");
    private static final List<String> OTHERS =
        List.of(
            "visual.",
            "text_projection",
            "logit_scale",
            "input_resolution",
            "context_length",
            "vocab_size");

    @Override
    public String name() {
      return "openai";
    }

    @Override
    public String fileKey(String key) {
      var layer = LAYER.matcher(key);
      if (layer.matches()) {
        var prefix = layers() + layer.group(1) + ".";
        var suffix = layer.group(3);
        return switch (layer.group(2)) {
          case "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj" ->
              prefix + "attn.in_proj_" + suffix;
          case "self_attn.out_proj" -> prefix + "attn.out_proj." + suffix;
          case "layer_norm1" -> prefix + "ln_1." + suffix;
          case "layer_norm2" -> prefix + "ln_2." + suffix;
          case "mlp.fc1" -> prefix + "mlp.c_fc." + suffix;
          case "mlp.fc2" -> prefix + "mlp.c_proj." + suffix;
          default -> key;
        };
      }
      return key.replace("text_model.embeddings.token_embedding", "token_embedding")
          .replace("text_model.embeddings.position_embedding.weight", "positional_embedding")
          .replace("text_model.final_layer_norm", "ln_final");
    }

    @Override
    public String layers() {
      return "transformer.resblocks.";
    }

    /** Which third of a packed tensor a tensor is, or -1. */
    private static int third(String key) {
      return key.contains(".q_proj.")
          ? 0
          : key.contains(".k_proj.") ? 1 : key.contains(".v_proj.") ? 2 : -1;
    }

    private static Shape packed(Shape third) {
      int[] dims = third.dims();
      dims[0] *= 3;
      return Shape.of(dims);
    }

    @Override
    public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
      var keys = new LinkedHashMap<String, Shape>();
      config
          .stateDict()
          .forEach((key, shape) -> keys.put(fileKey(key), third(key) < 0 ? shape : packed(shape)));
      return keys;
    }

    @Override
    public Parameters adapt(NetworkConfig config, Parameters file) {
      return new Parameters() {
        @Override
        public boolean has(String key) {
          return file.has(fileKey(key));
        }

        @Override
        public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
          int third = third(key);
          if (third < 0) {
            return file.read(fileKey(key), expected, use);
          }
          int from = third * expected.dim(0);
          int to = from + expected.dim(0);
          return file.read(
              fileKey(key),
              packed(expected),
              all -> use.apply(expected.rank() == 1 ? all.columns(from, to) : all.slice(from, to)));
        }
      };
    }

    /** What else the whole CLIP has. */
    @Override
    public boolean ignored(String key) {
      return OTHERS.stream().anyMatch(key::startsWith);
    }
  }
}
