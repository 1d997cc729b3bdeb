package dev.gatun.models.pipeline;

import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.CheckpointParameters;
import dev.gatun.models.checkpoint.TensorInfo;
import dev.gatun.models.dit.DiT;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.models.dit.DiTLayouts;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/**
 * What a checkpoint was recognised as, without reading a number of it.
 *
 * <p>What the network is comes, in this order, from a description that the user gives, from the
 * file's own {@code __metadata__.config}, from a {@code config.json} beside it (diffusers), or from
 * its keys and shapes.
 *
 * @param config the network
 * @param layout whose key names the file uses
 * @param origin where the description comes from, for people
 * @param sampling how to sample from it
 * @param classes names of the classes by label; empty if the file does not tell
 * @param missing keys that the network needs and the file lacks
 * @param leftOver keys of the file that the network does not know
 */
public record ModelFile(
    NetworkConfig config,
    Layout layout,
    String origin,
    SamplingDefaults sampling,
    List<String> classes,
    List<String> missing,
    List<String> leftOver) {

  /** The namings that are in use. */
  public enum Layout {
    /** As in the authors' code. */
    ORIGINAL,
    /** As in Hugging Face diffusers. */
    DIFFUSERS
  }

  public ModelFile {
    classes = List.copyOf(classes);
    missing = List.copyOf(missing);
    leftOver = List.copyOf(leftOver);
  }

  /**
   * Recognises a checkpoint.
   *
   * @param description a JSON file that says what the network is, or null
   * @throws CheckpointException if the file is no network that Gatun knows, or contradicts its
   *     description; the message says which key or shape is the matter
   */
  public static ModelFile recognise(Checkpoint checkpoint, Path description)
      throws CheckpointException {
    var file = checkpoint.name();
    if (description != null) {
      var given = NetworkDescription.read(description);
      return described(checkpoint, given, given.file());
    }
    var embedded = checkpoint.metadata().get("config");
    if (embedded != null) {
      return described(checkpoint, NetworkDescription.embedded(file, embedded), "its own metadata");
    }
    var shapes = shapes(checkpoint);
    if (DiTLayouts.isDiffusers(shapes)) {
      throw new CheckpointException(
          file,
          "is in the layout of diffusers, whose shapes tell neither heads nor picture size;"
              + " give --config with its config.json");
    }
    if (!DiTLayouts.isOriginal(shapes)) {
      throw new CheckpointException(
          file,
          "is no network that Gatun knows: a DiT has tensors such as x_embedder.proj.weight, this"
              + " file begins with "
              + checkpoint.tensors().values().stream()
                  .limit(3)
                  .map(TensorInfo::toString)
                  .collect(Collectors.joining(", ")));
    }
    try {
      var config = DiTLayouts.infer(shapes, trainedHeads(checkpoint), 0);
      return of(checkpoint, shapes, config, "its keys and shapes", "its other tensors demand");
    } catch (IllegalArgumentException | ParameterException e) {
      throw new CheckpointException(file, e.getMessage(), e);
    }
  }

  /**
   * {@link #recognise(Checkpoint, Path)}, with the {@code config.json} beside a diffusers file
   * where there is one.
   *
   * @param path the file or directory that was opened
   */
  public static ModelFile recognise(Path path, Checkpoint checkpoint, Path description)
      throws CheckpointException {
    if (description == null && DiTLayouts.isDiffusers(shapes(checkpoint))) {
      var directory = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
      var beside = directory == null ? null : directory.resolve("config.json");
      if (beside != null && Files.isRegularFile(beside)) {
        return recognise(checkpoint, beside);
      }
    }
    return recognise(checkpoint, description);
  }

  private static SequencedMap<String, Shape> shapes(Checkpoint checkpoint) {
    var shapes = new LinkedHashMap<String, Shape>();
    checkpoint.tensors().forEach((key, info) -> shapes.put(key, info.shape()));
    return shapes;
  }

  /** Heads of the model that {@code train.py} names in its arguments, or 0. */
  private static int trainedHeads(Checkpoint checkpoint) {
    return DiTConfig.preset(checkpoint.metadata().getOrDefault("args.model", ""))
        .map(DiTConfig::numHeads)
        .orElse(0);
  }

  private static ModelFile described(
      Checkpoint checkpoint, NetworkDescription description, String origin)
      throws CheckpointException {
    return of(checkpoint, shapes(checkpoint), description.config(), origin, "the description says");
  }

  /** Holds the file against a configuration. */
  private static ModelFile of(
      Checkpoint checkpoint,
      SequencedMap<String, Shape> shapes,
      NetworkConfig config,
      String origin,
      String demand)
      throws CheckpointException {
    var layout = DiTLayouts.isDiffusers(shapes) ? Layout.DIFFUSERS : Layout.ORIGINAL;
    var expected =
        layout == Layout.DIFFUSERS
            ? DiTLayouts.diffusersStateDict((DiTConfig) config)
            : config.stateDict();
    for (var entry : expected.entrySet()) {
      var found = shapes.get(entry.getKey());
      if (found != null && !found.equals(entry.getValue())) {
        var text =
            "tensor %s is %s, %s %s".formatted(entry.getKey(), found, demand, entry.getValue());
        throw new CheckpointException(checkpoint.name(), text + guess(shapes));
      }
    }
    var missing =
        expected.keySet().stream()
            // computed where it is not stored
            .filter(key -> !shapes.containsKey(key) && !key.equals("pos_embed"))
            .toList();
    var leftOver = shapes.keySet().stream().filter(key -> !expected.containsKey(key)).toList();
    try {
      var sampling = SamplingDefaults.of(checkpoint, config);
      return new ModelFile(
          config, layout, origin, sampling, classNames(checkpoint), missing, leftOver);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(checkpoint.name(), e.getMessage(), e);
    }
  }

  /** The published network that all shapes fit, as a question, where they do not fit this one. */
  private static String guess(SequencedMap<String, Shape> shapes) {
    try {
      var config = DiTLayouts.infer(shapes, 0, 32);
      boolean fits =
          config.stateDict().entrySet().stream()
              .allMatch(
                  entry ->
                      entry
                          .getValue()
                          .equals(shapes.getOrDefault(entry.getKey(), entry.getValue())));
      return fits ? "; is this " + config.name() + "?" : "";
    } catch (IllegalArgumentException | ParameterException e) {
      return "";
    }
  }

  private static List<String> classNames(Checkpoint checkpoint) {
    var text = checkpoint.metadata().get("classes");
    if (text == null) {
      return List.of();
    }
    if (!(Json.parse(text) instanceof Json.JsonArray(var items))) {
      throw new JsonException("the metadata 'classes' is not an array of names");
    }
    return items.stream()
        .map(item -> item instanceof JsonString(var name) ? name : item.toString())
        .toList();
  }

  /**
   * Loads the network that the file holds.
   *
   * @throws CheckpointException if a tensor is missing or left over, or the file was cut off
   */
  public Network load(Checkpoint checkpoint, Backend backend) throws CheckpointException {
    if (!missing.isEmpty()) {
      throw new CheckpointException(
          checkpoint.name(),
          "tensor %s is missing%s; %s has it"
              .formatted(missing.getFirst(), others(missing), config.name()));
    }
    if (!leftOver.isEmpty()) {
      throw new CheckpointException(
          checkpoint.name(),
          "tensor %s is left over%s; %s has no such tensor"
              .formatted(
                  CheckpointException.show(leftOver.getFirst()), others(leftOver), config.name()));
    }
    Parameters parameters = new CheckpointParameters(checkpoint);
    try {
      return switch (config) {
        case DiTConfig dit ->
            new DiT(
                dit,
                layout == Layout.DIFFUSERS ? DiTLayouts.fromDiffusers(parameters) : parameters,
                backend);
        default -> throw new IllegalStateException("no network for " + config.model());
      };
    } catch (ParameterException e) {
      throw e.getCause() instanceof CheckpointException named
          ? named
          : new CheckpointException(checkpoint.name(), e.getMessage(), e);
    }
  }

  private static String others(List<String> keys) {
    return keys.size() == 1 ? "" : " and " + (keys.size() - 1) + " more";
  }

  /** The element types in the file, that of most elements first, for people. */
  public static List<String> dtypes(Checkpoint checkpoint) {
    Map<DType, Long> elements =
        checkpoint.tensors().values().stream()
            .collect(
                Collectors.groupingBy(
                    TensorInfo::dtype, Collectors.summingLong(info -> info.shape().size())));
    return elements.entrySet().stream()
        .sorted(Map.Entry.<DType, Long>comparingByValue().reversed())
        .map(entry -> entry.getKey().name())
        .toList();
  }
}
