package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.diffit.DiffiTImageConfig;
import dev.gatun.models.diffusion.Variance;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.models.pipeline.Training.Schedule;
import dev.gatun.models.pipeline.Training.Time;
import java.util.Comparator;
import java.util.List;

/**
 * How pictures are made with a checkpoint: from its description or its own metadata, else from the
 * published checkpoint that it is, else as the scripts of its authors do by default.
 *
 * @param training how it was trained; null where only one of the candidates can tell
 * @param sampling what to sample with; null together with training
 * @param preset name of the published checkpoint, or an empty string
 * @param candidates names of the published checkpoints that have these very keys and shapes
 */
public record Recipe(
    Training training, SamplingDefaults sampling, String preset, List<String> candidates) {
  public Recipe {
    candidates = List.copyOf(candidates);
  }

  /** The key of a description and of metadata that says all of it. */
  private static final String DIFFUSION = "diffusion";

  /**
   * @param description of the network; its flags of the training count, and its {@code diffusion}
   *     before that of the metadata
   * @throws IllegalArgumentException if the description or the metadata are wrong, or if the preset
   *     of the hints is of another network; the message says which
   */
  static Recipe of(
      Checkpoint checkpoint, DiffusionConfig config, JsonObject description, Hints hints) {
    if (description.has(DIFFUSION)) {
      return MetadataRecipe.read(description.object(DIFFUSION), config);
    }
    var said = MetadataJson.read(checkpoint, DIFFUSION);
    if (said.isPresent()) {
      if (said.get() instanceof JsonObject json) {
        return MetadataRecipe.read(json, config);
      }
      throw new JsonException("the metadata 'diffusion' is not an object");
    }
    return TrainingFlags.apply(description, recognised(config, hints), config);
  }

  private static Recipe recognised(DiffusionConfig config, Hints hints) {
    var candidates =
        Preset.all().stream()
            .filter(
                preset ->
                    Families.preset(preset.name())
                        .filter(member -> member.config().equals(config))
                        .isPresent())
            .toList();
    return choose(config, candidates, hints);
  }

  private static Recipe choose(DiffusionConfig config, List<Preset> candidates, Hints hints) {
    var names = candidates.stream().map(Preset::name).toList();
    var asked = Preset.named(hints.preset());
    if (asked.isPresent()) {
      return of(asked.get(), names);
    }
    var byFile =
        candidates.stream().max(Comparator.comparingInt(p -> p.explains(hints.fileName())));
    if (byFile.isPresent() && byFile.get().explains(hints.fileName()) > 0) {
      return of(byFile.get(), names);
    }
    if (candidates.isEmpty()) {
      return byDefault(config);
    }
    var first = candidates.getFirst();
    boolean alike =
        candidates.stream()
            .allMatch(
                p ->
                    p.training().equals(first.training()) && p.sampling().equals(first.sampling()));
    return alike ? of(first, names) : new Recipe(null, null, "", names);
  }

  private static Recipe of(Preset preset, List<String> candidates) {
    return new Recipe(preset.training(), preset.sampling(), preset.name(), candidates);
  }

  /**
   * A network that was not published: as the others of its kind. Images of four channels are taken
   * for latents.
   */
  static Recipe byDefault(DiffusionConfig config) {
    boolean latent = config.inChannels() == 4;
    boolean variance = config.outChannels() == 2 * config.inChannels();
    var fixed = variance ? Variance.LEARNED_RANGE : Variance.FIXED_LARGE;
    var recipe =
        switch (config.model()) {
          case "uvit" -> published(latent ? "imagenet256_uvit_large" : "imagenet64_uvit_large");
          case "uvit-t2i" -> published("mscoco_uvit_small");
          // the paper's guidance of 256 pixels, and of all that is larger
          case "diffit-latent" -> published(config.inputSize() > 32 ? "DiffiT-512" : "DiffiT-256");
          case "diffit-image" ->
              ((DiffiTImageConfig) config).training() == DiffiTImageConfig.Training.EDM
                  ? published("DiffiT-CIFAR10")
                  : pixels(fixed);
          case "adm-unet" -> pixels(fixed);
          case "adm-superres" -> published("64_256_upsampler");
          default -> published("DiT-XL/2-256");
        };
    var training = recipe.training();
    var adapted =
        new Training(
            latent,
            training.schedule(),
            training.steps(),
            training.time(),
            training.prediction(),
            fixed,
            config.nullClass(),
            training.latentScale());
    return new Recipe(adapted, guided(recipe.sampling(), config, latent), "", List.of());
  }

  private static Recipe published(String name) {
    var preset = Preset.named(name).orElseThrow();
    return new Recipe(preset.training(), preset.sampling(), name, List.of());
  }

  private static Recipe pixels(Variance variance) {
    return new Recipe(
        Training.pixels(Schedule.LINEAR, Time.INDEX, variance),
        SamplingDefaults.unguided("ddpm", 250, true, Rounding.DOWN),
        "",
        List.of());
  }

  /** Guidance where the network can be guided, an autoencoder where there are latents. */
  private static SamplingDefaults guided(
      SamplingDefaults sampling, DiffusionConfig config, boolean latent) {
    boolean guidable = config.nullClass() >= 0 || config.conditioning() == Conditioning.TEXT;
    var kind =
        guidable ? SamplingDefaults.Guidance.CLASSIFIER_FREE : SamplingDefaults.Guidance.NONE;
    double scale = guidable ? (sampling.scale() == 1 ? 1.5 : sampling.scale()) : 1;
    return new SamplingDefaults(
        sampling.sampler(),
        sampling.steps(),
        !latent && (sampling.clip() || config.model().equals("dit")),
        kind,
        scale,
        scale,
        Math.min(sampling.guidedChannels(), config.inChannels()),
        sampling.guidancePower(),
        latent ? sampling.companion() : "",
        sampling.rounding());
  }
}
