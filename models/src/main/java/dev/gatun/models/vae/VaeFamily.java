package dev.gatun.models.vae;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** Recognises, describes and loads KL autoencoders. */
public final class VaeFamily implements NetworkFamily {
  /** Groups of every published autoencoder; shapes do not show them. */
  private static final int GROUPS = 32;

  /** Where shapes end and nothing says otherwise: the size of a tile, no more. */
  private static final int SAMPLE_SIZE = 256;

  /** The family, which has no state. */
  public VaeFamily() {}

  @Override
  public List<String> models() {
    return List.of("autoencoder-kl", "AutoencoderKL");
  }

  /**
   * LDM's names, or those of diffusers, old or new; each also behind {@code first_stage_model.}.
   */
  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    return VaeLayout.of(keys).map(layout -> layout);
  }

  @Override
  public AutoencoderKLConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    var layout =
        VaeLayout.of(keys)
            .orElseThrow(
                () ->
                    new ParameterException(
                        "tensor decoder.mid.attn_1.q.weight is missing; a KL autoencoder has it"));
    var shapes = new Shapes(layout, keys);
    var widths = new ArrayList<Integer>();
    while (shapes.has("encoder.down." + widths.size() + ".block.0.conv1.weight")) {
      widths.add(shapes.of("encoder.down." + widths.size() + ".block.0.conv1.weight").dim(0));
    }
    int layers = 0;
    while (shapes.has("encoder.down.0.block." + layers + ".conv1.weight")) {
      layers++;
    }
    if (layers == 0) {
      throw shapes.missing("encoder.down.0.block.0.conv1.weight");
    }
    try {
      return new AutoencoderKLConfig(
          shapes.of("encoder.conv_in.weight").dim(1),
          shapes.of("decoder.conv_out.weight").dim(0),
          widths,
          layers,
          shapes.half("encoder.conv_out.weight"),
          shapes.half("quant_conv.weight"),
          GROUPS,
          SAMPLE_SIZE,
          AutoencoderKLConfig.SCALE);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          "the shapes are those of no KL autoencoder with "
              + GROUPS
              + " groups: "
              + e.getMessage()
              + "; give --config with its config.json",
          e);
    }
  }

  /** Shapes of a file by LDM's names, where those do not depend on the number of levels. */
  private record Shapes(VaeLayout layout, SequencedMap<String, Shape> keys) {
    boolean has(String key) {
      return keys.containsKey(layout.key(key, 1));
    }

    Shape of(String key) {
      var shape = keys.get(layout.key(key, 1));
      if (shape == null) {
        throw missing(key);
      }
      if (shape.rank() != 4 || shape.size() == 0) {
        throw new ParameterException(
            "tensor " + layout.key(key, 1) + " is " + shape + ", expected 4 axes");
      }
      return shape;
    }

    /** Half the output channels: the first half are means, the second log-variances. */
    int half(String key) {
      int channels = of(key).dim(0);
      if (channels % 2 != 0) {
        throw new ParameterException(
            "tensor %s has %d rows, expected means and as many log-variances"
                .formatted(layout.key(key, 1), channels));
      }
      return channels / 2;
    }

    ParameterException missing(String key) {
      return new ParameterException(
          "tensor " + layout.key(key, 1) + " is missing; a KL autoencoder has it");
    }
  }

  /**
   * The {@code config.json} of diffusers, or LDM's arguments: {@code embed_dim} and those of {@code
   * ddconfig}, in an object of that name or beside it.
   */
  @Override
  public AutoencoderKLConfig describe(JsonObject json) {
    return json.has("ddconfig") || json.has("ch") ? describeLdm(json) : describeDiffusers(json);
  }

  private static AutoencoderKLConfig describeDiffusers(JsonObject json) {
    int latent = json.integer("latent_channels", 4);
    requireOnly(json, "act_fn", json.string("act_fn", "silu").equals("silu"), "\"silu\"");
    for (var part : List.of("use_quant_conv", "use_post_quant_conv", "mid_block_add_attention")) {
      requireOnly(json, part, json.bool(part, true), "true");
    }
    requireOnly(json, "shift_factor", !json.has("shift_factor"), "null");
    return new AutoencoderKLConfig(
        json.integer("in_channels", 3),
        json.integer("out_channels", 3),
        integers(json, "block_out_channels"),
        json.integer("layers_per_block", 1),
        latent,
        latent,
        json.integer("norm_num_groups", 32),
        json.integer("sample_size", 32),
        json.number("scaling_factor", AutoencoderKLConfig.SCALE));
  }

  private static AutoencoderKLConfig describeLdm(JsonObject json) {
    var arguments = json.has("ddconfig") ? json.object("ddconfig") : json;
    int ch = arguments.integer("ch");
    var widths = new ArrayList<Integer>();
    for (int factor : integers(arguments, "ch_mult")) {
      widths.add(Math.clamp((long) ch * factor, Integer.MIN_VALUE, Integer.MAX_VALUE));
    }
    if (!widths.isEmpty() && widths.getFirst() != ch) {
      throw new JsonException("key 'ch_mult' does not begin with 1, which Gatun does not know");
    }
    requireOnly(arguments, "double_z", arguments.bool("double_z", true), "true");
    boolean none =
        !arguments.has("attn_resolutions") || arguments.longs("attn_resolutions").length == 0;
    requireOnly(arguments, "attn_resolutions", none, "[]");
    int latent = arguments.integer("z_channels");
    return new AutoencoderKLConfig(
        arguments.integer("in_channels", 3),
        arguments.integer("out_ch", 3),
        widths,
        arguments.integer("num_res_blocks"),
        latent,
        json.integer("embed_dim", latent),
        GROUPS,
        arguments.integer("resolution", SAMPLE_SIZE),
        json.number("scale_factor", AutoencoderKLConfig.SCALE));
  }

  private static List<Integer> integers(JsonObject json, String key) {
    var values = new ArrayList<Integer>();
    for (long value : json.longs(key)) {
      values.add(Math.clamp(value, Integer.MIN_VALUE, Integer.MAX_VALUE));
    }
    return values;
  }

  private static void requireOnly(JsonObject json, String key, boolean known, String expected) {
    if (!known) {
      throw new JsonException(
          "key '%s' is %s, Gatun knows only autoencoders with %s"
              .formatted(key, json.members().getOrDefault(key, JsonNull.NULL), expected));
    }
  }

  @Override
  public List<String> published() {
    return List.of("kl-f8");
  }

  @Override
  public Optional<AutoencoderKLConfig> preset(String name) {
    return AutoencoderKLConfig.preset(name);
  }

  @Override
  public AutoencoderKL load(NetworkConfig config, Parameters parameters, Backend backend) {
    return new AutoencoderKL((AutoencoderKLConfig) config, parameters, backend);
  }
}
