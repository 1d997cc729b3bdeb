package dev.gatun.models.pipeline;

import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.TensorInfo;
import dev.gatun.models.dit.DiT;
import dev.gatun.models.dit.DiTConfig;
import dev.gatun.models.dit.DiTLayouts;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Supplier;

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

  private static final long MAX_DESCRIPTION = 1 << 20;

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
    var shapes = new LinkedHashMap<String, Shape>();
    checkpoint.tensors().forEach((key, info) -> shapes.put(key, info.shape()));
    var layout = DiTLayouts.isDiffusers(shapes) ? Layout.DIFFUSERS : Layout.ORIGINAL;
    if (description != null) {
      var json = readDescription(description);
      var name = description.getFileName().toString();
      return describe(name, checkpoint, shapes, layout, name, () -> fromJson(json));
    }
    var embedded = checkpoint.metadata().get("config");
    if (embedded != null) {
      return describe(
          file,
          checkpoint,
          shapes,
          layout,
          "its own metadata",
          () -> fromJson((JsonObject) parse(embedded)));
    }
    if (layout == Layout.DIFFUSERS) {
      throw new CheckpointException(
          file,
          "is in the layout of diffusers, whose shapes tell neither heads nor picture size; give --config with its config.json");
    }
    if (DiTLayouts.isOriginal(shapes)) {
      return describe(
          file,
          checkpoint,
          shapes,
          layout,
          "its keys and shapes",
          () -> DiTLayouts.infer(shapes, trainedHeads(checkpoint), 0));
    }
    throw new CheckpointException(
        file,
        "is no network that Gatun knows: a DiT has tensors such as x_embedder.proj.weight, this file begins with "
            + shapes.keySet().stream().limit(3).toList());
  }

  /**
   * {@link #recognise(Checkpoint, Path)}, with the {@code config.json} beside a diffusers file
   * where there is one.
   */
  public static ModelFile recognise(Path path, Checkpoint checkpoint, Path description)
      throws CheckpointException {
    var directory = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    boolean diffusers =
        checkpoint.tensors().keySet().stream().anyMatch(k -> k.startsWith("transformer_blocks."));
    if (description == null
        && diffusers
        && directory != null
        && Files.isRegularFile(directory.resolve("config.json"))) {
      return recognise(checkpoint, directory.resolve("config.json"));
    }
    return recognise(checkpoint, description);
  }

  /** Heads of the model that {@code train.py} names in its arguments, or 0. */
  private static int trainedHeads(Checkpoint checkpoint) {
    return DiTConfig.preset(checkpoint.metadata().getOrDefault("args.model", ""))
        .map(DiTConfig::numHeads)
        .orElse(0);
  }

  private static JsonObject readDescription(Path path) throws CheckpointException {
    var name = path.getFileName().toString();
    try {
      if (Files.size(path) > MAX_DESCRIPTION) {
        throw new CheckpointException(
            name, "has more than 1 MiB, which is no description of a network");
      }
      if (Json.parse(Files.readAllBytes(path), 1 << 16) instanceof JsonObject object) {
        return object;
      }
      throw new CheckpointException(
          name,
          "is not a JSON object; a description looks like {\"model\": \"dit\", \"depth\": 28}");
    } catch (JsonException e) {
      throw new CheckpointException(name, e.getMessage(), e);
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException(name, "cannot be read; give the path of a JSON description", e);
    }
  }

  private static Json parse(String text) {
    var json = Json.parse(text);
    if (json instanceof JsonObject) {
      return json;
    }
    throw new JsonException("the metadata 'config' is " + json.kind() + ", expected an object");
  }

  private static NetworkConfig fromJson(JsonObject json) {
    if (json.has("_class_name")) {
      var name = json.string("_class_name");
      if (name.equals("DiTTransformer2DModel") || name.equals("Transformer2DModel")) {
        return DiTLayouts.fromDiffusersDescription(json);
      }
      throw new JsonException(
          "key '_class_name' is '"
              + name
              + "', which Gatun does not know; it knows DiTTransformer2DModel");
    }
    var model = json.string("model");
    if (model.equals("dit")) {
      return DiTLayouts.fromDescription(json);
    }
    throw new JsonException(
        "key 'model' is '" + model + "', which Gatun does not know; it knows 'dit'");
  }

  private static ModelFile describe(
      String blamed,
      Checkpoint checkpoint,
      SequencedMap<String, Shape> shapes,
      Layout layout,
      String origin,
      Supplier<NetworkConfig> description)
      throws CheckpointException {
    try {
      var config = description.get();
      var expected =
          layout == Layout.DIFFUSERS
              ? DiTLayouts.diffusersStateDict((DiTConfig) config)
              : config.stateDict();
      var missing = new ArrayList<String>();
      for (var entry : expected.entrySet()) {
        var found = shapes.get(entry.getKey());
        if (found == null) {
          // computed where it is not stored
          if (!entry.getKey().equals("pos_embed")) {
            missing.add(entry.getKey());
          }
        } else if (!found.equals(entry.getValue())) {
          throw new CheckpointException(
              checkpoint.name(), mismatch(entry.getKey(), found, entry.getValue(), shapes));
        }
      }
      var leftOver = shapes.keySet().stream().filter(key -> !expected.containsKey(key)).toList();
      return new ModelFile(
          config,
          layout,
          origin,
          SamplingDefaults.of(checkpoint, config),
          classNames(checkpoint),
          List.copyOf(missing),
          leftOver);
    } catch (IllegalArgumentException | ArithmeticException | ParameterException e) {
      throw new CheckpointException(blamed, e.getMessage(), e);
    }
  }

  /** A wrong shape, with a guess at the published size that the file is. */
  private static String mismatch(
      String key, Shape found, Shape expected, SequencedMap<String, Shape> shapes) {
    var text = "tensor " + key + " is " + found + ", the description says " + expected;
    try {
      return text + "; is this " + DiTLayouts.infer(shapes, 0, 32).name() + "?";
    } catch (RuntimeException e) {
      return text;
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
          "tensor "
              + missing.getFirst()
              + " is missing"
              + others(missing)
              + "; a "
              + config.name()
              + " has it");
    }
    if (!leftOver.isEmpty()) {
      throw new CheckpointException(
          checkpoint.name(),
          "tensor "
              + leftOver.getFirst()
              + " is left over"
              + others(leftOver)
              + "; "
              + config.name()
              + " has no such tensor");
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
      throw new CheckpointException(checkpoint.name(), e.getMessage(), e);
    }
  }

  private static String others(List<String> keys) {
    return keys.size() == 1 ? "" : " and " + (keys.size() - 1) + " more";
  }

  /** The element types in the file, most elements first, for people. */
  public static List<String> dtypes(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .map(TensorInfo::dtype)
        .distinct()
        .map(Enum::name)
        .toList();
  }
}
