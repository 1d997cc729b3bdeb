package dev.gatun.models.diffit;

import dev.gatun.models.KeyShapes;
import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.diffit.DiffiTImageConfig.Training;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** The U-shaped DiffiT of images. */
public final class DiffiTImageFamily implements NetworkFamily {
  private static final String BIAS = "encoder.%d.0.attn.relative_position_bias_table";

  /** The family; it has no state. */
  public DiffiTImageFamily() {}

  @Override
  public List<String> models() {
    return List.of("diffit-image");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    boolean found =
        keys.containsKey(BIAS.formatted(0)) || keys.containsKey("encoder.0.0.attn.qkv_temb.weight");
    return found ? Optional.of(new OriginalLayout()) : Optional.empty();
  }

  /**
   * {@inheritDoc}
   *
   * <p>The shapes tell all but the size of the images and how the network was trained, so this
   * gives the hinted preset, or says what to give.
   */
  @Override
  public DiffiTImageConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    var preset = preset(hints.preset());
    if (preset.isPresent()) {
      return preset.get();
    }
    throw new ParameterException(
        "the shapes of a DiffiT of images tell neither the size of the images nor how it was"
            + " trained; give --config with a file such as "
            + description(new KeyShapes(keys, "a DiffiT of images")));
  }

  /** What the shapes tell, as a description to be completed. */
  private static String description(KeyShapes shapes) {
    var dims = new ArrayList<Integer>();
    var depths = new ArrayList<Integer>();
    var heads = new ArrayList<Integer>();
    int window = 0;
    int stages = Math.min(DiffiTImageConfig.MAX_STAGES, shapes.blocks("encoder."));
    for (int s = 0; s < stages; s++) {
      var key = BIAS.formatted(s);
      var bias = shapes.shape(key, 2);
      dims.add(shapes.shape("encoder." + s + ".0.conv.weight", 4).dim(0));
      depths.add(shapes.blocks("encoder." + s + "."));
      heads.add(bias.dim(1));
      window = Math.max(window, RelativeBias.side(bias.dim(0)));
    }
    int classes = shapes.any("label_emb.") ? shapes.shape("label_emb.weight", 2).dim(0) - 1 : 0;
    int in = shapes.shape("stem.weight", 4).dim(1);
    int out = shapes.shape("head.weight", 4).dim(0);
    var time = shapes.shape("time_mlp.0.weight", 2);
    return "{\"model\": \"diffit-image\", \"img_size\": …, \"in_channels\": %d, ".formatted(in)
        + "\"num_classes\": %d, ".formatted(classes)
        + "\"dims\": %s, \"depths\": %s, \"heads\": %s, ".formatted(dims, depths, heads)
        + "\"window\": %d, \"learn_sigma\": %b, ".formatted(window, out == 2L * in)
        + "\"time_dim\": %d, \"time_embed_dim\": %d}".formatted(time.dim(0), time.dim(1));
  }

  /**
   * A description: {@code img_size}, {@code dims}, {@code depths}, {@code heads} and {@code window}
   * are demanded. The others have defaults: {@code in_channels} 3, {@code num_classes} 0, {@code
   * learn_sigma} true, {@code out_channels} as it says, {@code time_dim} four times the first of
   * the dims, {@code time_embed_dim} half of that, {@code mlp_ratio} 4, {@code precond} {@code
   * "ddpm"}; {@code "edm"} makes {@code learn_sigma} false.
   */
  @Override
  public DiffiTImageConfig describe(JsonObject json) {
    int size = json.integer("img_size");
    int in = json.integer("in_channels", 3);
    var dims = integers(json, "dims");
    var training = training(json.string("precond", "ddpm"));
    boolean learnSigma = json.bool("learn_sigma", training == Training.DDPM);
    int out = learnSigma ? 2 * in : in;
    if (json.has("learn_sigma") && json.integer("out_channels", out) != out) {
      throw new JsonException(
          "key 'out_channels' is %d, but with learn_sigma %b it is %d"
              .formatted(json.integer("out_channels"), learnSigma, out));
    }
    int timeDim = json.integer("time_dim", 4 * dims.getFirst());
    return new DiffiTImageConfig(
        size,
        in,
        json.integer("out_channels", out),
        dims,
        integers(json, "depths"),
        integers(json, "heads"),
        json.integer("window"),
        json.integer("num_classes", 0),
        timeDim,
        json.integer("time_embed_dim", timeDim / 2),
        json.number("mlp_ratio", 4),
        training,
        size);
  }

  private static Training training(String name) {
    return switch (name) {
      case "ddpm" -> Training.DDPM;
      case "edm" -> Training.EDM;
      default ->
          throw new JsonException("key 'precond' is '" + name + "', expected 'ddpm' or 'edm'");
    };
  }

  /** One for each stage; what is no int is left to the config to refuse. */
  private static List<Integer> integers(JsonObject json, String key) {
    long[] values = json.longs(key);
    if (values.length == 0) {
      throw new JsonException("key '" + key + "' is empty, expected a number for each stage");
    }
    return Arrays.stream(values)
        .mapToObj(value -> Math.clamp(value, Integer.MIN_VALUE, Integer.MAX_VALUE))
        .toList();
  }

  @Override
  public List<String> published() {
    return List.of("DiffiT-CIFAR10", "DiffiT-FFHQ64");
  }

  @Override
  public Optional<DiffiTImageConfig> preset(String name) {
    return DiffiTImageConfig.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    if (!(config instanceof DiffiTImageConfig diffit)) {
      throw new ParameterException(config.name() + " is no DiffiT of images");
    }
    return new DiffiTImage(diffit, parameters, backend);
  }
}
