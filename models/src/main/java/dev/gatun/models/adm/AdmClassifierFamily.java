package dev.gatun.models.adm;

import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/** ADM's classifiers of noisy pictures. */
public final class AdmClassifierFamily implements NetworkFamily {
  /** The family; it has no state. */
  public AdmClassifierFamily() {}

  @Override
  public List<String> models() {
    return List.of("adm-classifier");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    return OriginalLayout.fits(keys) && !OriginalLayout.hasOutputBlocks(keys)
        ? Optional.of(new OriginalLayout())
        : Optional.empty();
  }

  /**
   * {@inheritDoc}
   *
   * <p>Only published networks are recognised by their tensors; another one needs a description.
   */
  @Override
  public ClassifierConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    return Presets.CLASSIFIERS.infer(
        keys,
        hints,
        "for another network give --config with a file such as {\"model\": \"adm-classifier\","
            + " \"image_size\": …, \"in_channels\": 3, \"model_channels\": "
            + AdmFamily.width(keys)
            + ", \"out_channels\": 1000, \"num_res_blocks\": 2, \"channel_mult\": [1, 2],"
            + " \"attention_resolutions\": [2], \"num_head_channels\": 64, \"pool\": \"attention\","
            + " \"use_scale_shift_norm\": true, \"resblock_updown\": true}");
  }

  @Override
  public ClassifierConfig describe(JsonObject json) {
    return Description.classifier(json);
  }

  @Override
  public List<String> published() {
    return Presets.CLASSIFIERS.names();
  }

  /**
   * A published configuration by the name of its file without ending, such as {@code
   * 256x256_classifier}, or its short name, such as {@code ADM-256-classifier}.
   */
  @Override
  public Optional<ClassifierConfig> preset(String name) {
    return Presets.CLASSIFIERS.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    return new AdmClassifier((ClassifierConfig) config, parameters, backend);
  }
}
