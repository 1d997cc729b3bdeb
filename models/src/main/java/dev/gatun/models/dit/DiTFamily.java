package dev.gatun.models.dit;

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

/** DiT, in the authors' layout and in that of Hugging Face diffusers. */
public final class DiTFamily implements NetworkFamily {
  /** As in the authors' code; the position embedding is computed where it is not stored. */
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

    @Override
    public boolean optional(String key) {
      return key.equals("pos_embed");
    }
  }

  /** As in Hugging Face diffusers. */
  private record Diffusers() implements Layout {
    @Override
    public String name() {
      return "diffusers";
    }

    @Override
    public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
      return DiffusersLayout.stateDict((DiTConfig) config);
    }

    @Override
    public Parameters adapt(NetworkConfig config, Parameters file) {
      return new DiffusersLayout(file);
    }
  }

  /** The family; it has no state. */
  public DiTFamily() {}

  @Override
  public List<String> models() {
    return List.of("dit", "DiTTransformer2DModel", "Transformer2DModel");
  }

  @Override
  public Optional<Layout> layout(SequencedMap<String, Shape> keys) {
    if (DiTLayouts.isDiffusers(keys)) {
      return Optional.of(new Diffusers());
    }
    return DiTLayouts.isOriginal(keys) ? Optional.of(new Original()) : Optional.empty();
  }

  /**
   * {@inheritDoc}
   *
   * <p>Shapes do not show the heads: they are those of the hinted preset, or of the published size
   * with that depth and width.
   */
  @Override
  public DiTConfig infer(SequencedMap<String, Shape> keys, Hints hints) {
    if (DiTLayouts.isDiffusers(keys)) {
      throw new ParameterException(
          "the file is in the layout of diffusers, whose shapes tell neither heads nor picture"
              + " size; give --config with its config.json");
    }
    int heads = preset(hints.preset()).map(DiTConfig::numHeads).orElse(0);
    return DiTLayouts.infer(keys, heads, 0);
  }

  @Override
  public DiTConfig describe(JsonObject json) {
    return json.has("_class_name")
        ? DiTLayouts.fromDiffusersDescription(json)
        : DiTLayouts.fromDescription(json);
  }

  @Override
  public List<String> published() {
    return DiTConfig.published();
  }

  @Override
  public Optional<DiTConfig> preset(String name) {
    return DiTConfig.preset(name);
  }

  @Override
  public Network load(NetworkConfig config, Parameters parameters, Backend backend) {
    if (!(config instanceof DiTConfig dit)) {
      throw new ParameterException(config.name() + " is no DiT");
    }
    return new DiT(dit, parameters, backend);
  }
}
