package dev.gatun.models.uvit;

import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** U-ViT in the files of its authors, which are bare state dicts, and in folders of trainings. */
public final class UViTFamily implements NetworkFamily {
  /** Channels of the latents that the authors train on; such models have a null class. */
  private static final int LATENT_CHANNELS = 4;

  /** The family; it has no state. */
  public UViTFamily() {}

  /** The keys of the authors. */
  private record Original() implements Layout {
    @Override
    public String name() {
      return "original";
    }

    @Override
    public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
      return config.stateDict();
    }

    @Override
    public Parameters adapt(NetworkConfig config, Parameters file) {
      return file;
    }
  }

  @Override
  public List<String> models() {
    return List.of("uvit", "uvit-t2i");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    return keys.keySet().stream().anyMatch(key -> key.startsWith("mid_block.attn."))
            && keys.keySet().stream().anyMatch(key -> key.startsWith("decoder_pred."))
        ? Optional.of(new Original())
        : Optional.empty();
  }

  @Override
  public UViTConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    return UViTConfig.preset(hints.preset()).orElseGet(() -> UViTShapes.config(keys));
  }

  /**
   * A description in the authors' own constructor arguments, with their defaults. A width of its
   * own needs its number of heads, since no shape would show a wrong one. {@code null_class} may
   * say which label means "no class", or -1; else it is the last where {@code in_chans} is 4, for
   * the authors train models of latents with a null class and models of pixels without.
   *
   * @throws JsonException if a value is missing or has the wrong type; the message names its key
   * @throws IllegalArgumentException if no U-ViT has such arguments
   */
  @Override
  public UViTConfig describe(JsonObject json) {
    if (json.has("qk_scale") || !json.bool("skip", true)) {
      throw new JsonException(
          "keys 'qk_scale' and 'skip' are of a U-ViT that nobody published; leave them out where"
              + " they are null and true");
    }
    boolean text = json.string("model", "uvit").equals("uvit-t2i");
    int side = json.integer("img_size", 224);
    int channels = json.integer("in_chans", 3);
    int classes = text ? -1 : json.integer("num_classes", -1);
    int labels = classes == -1 ? 0 : classes;
    if (classes == 0) {
      throw new JsonException("key 'num_classes' is 0, expected -1 for none, or 1 or more");
    }
    return new UViTConfig(
        side,
        json.integer("patch_size", 16),
        channels,
        json.integer("embed_dim", 768),
        json.integer("depth", 12),
        json.has("embed_dim") ? json.integer("num_heads") : json.integer("num_heads", 12),
        json.number("mlp_ratio", 4),
        json.bool("qkv_bias", false),
        json.bool("mlp_time_embed", false),
        labels,
        json.integer("null_class", nullClass(labels, channels)),
        text ? json.integer("clip_dim", 768) : 0,
        text ? json.integer("num_clip_token", 77) : 0,
        json.bool("conv", true),
        side);
  }

  /** The last label for models of latents, as the authors train them. */
  static int nullClass(int labels, int channels) {
    return labels > 0 && channels == LATENT_CHANNELS ? labels - 1 : -1;
  }

  @Override
  public List<String> published() {
    return UViTPresets.names();
  }

  @Override
  public Optional<UViTConfig> preset(String name) {
    return UViTConfig.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    if (!(config instanceof UViTConfig uvit)) {
      throw new ParameterException(config.name() + " is no U-ViT");
    }
    return new UViT(uvit, parameters, backend);
  }
}
