package dev.gatun.models.adm;

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

/** ADM's UNets, those that enlarge pictures included. */
public final class AdmFamily implements NetworkFamily {
  /** The family; it has no state. */
  public AdmFamily() {}

  @Override
  public List<String> models() {
    return List.of("adm-unet", "adm-superres");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    return OriginalLayout.fits(keys) && OriginalLayout.hasOutputBlocks(keys)
        ? Optional.of(new OriginalLayout())
        : Optional.empty();
  }

  /**
   * {@inheritDoc}
   *
   * <p>Only published networks are recognised by their tensors; another one needs a description.
   */
  @Override
  public AdmConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    return Presets.UNETS.infer(
        keys,
        hints,
        "for another network give --config with a file such as {\"model\": \"adm-unet\","
            + " \"image_size\": …, \"in_channels\": 3, \"model_channels\": "
            + width(keys)
            + ", \"out_channels\": 6, \"num_res_blocks\": 2, \"channel_mult\": [1, 2],"
            + " \"attention_resolutions\": [2], \"num_classes\": null, \"num_head_channels\": 64,"
            + " \"use_scale_shift_norm\": true, \"resblock_updown\": true}");
  }

  /** The width of level 1 as the time embedding shows it, for an example. */
  static String width(SequencedMap<String, Shape> keys) {
    var shape = keys.get("time_embed.0.weight");
    if (shape == null) {
      throw new ParameterException(
          "tensor time_embed.0.weight is missing; every ADM network has it");
    }
    return shape.rank() == 2 ? Integer.toString(shape.dim(1)) : "…";
  }

  @Override
  public AdmConfig describe(JsonObject json) {
    return Description.unet(json);
  }

  @Override
  public List<String> published() {
    return Presets.UNETS.names();
  }

  /**
   * A published configuration by the name of its file without ending, such as {@code
   * 256x256_diffusion}, or its short name, such as {@code ADM-256}.
   */
  @Override
  public Optional<AdmConfig> preset(String name) {
    return Presets.UNETS.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    return new AdmUNet((AdmConfig) config, parameters, backend);
  }
}
