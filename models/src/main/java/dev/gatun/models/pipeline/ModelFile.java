package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.Network;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.adm.ClassifierConfig;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.CheckpointParameters;
import dev.gatun.models.checkpoint.TensorInfo;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.BiFunction;
import java.util.stream.Collectors;

/**
 * What a checkpoint was recognised as, without reading a number of it.
 *
 * <p>What the network is comes, in this order, from a description that the user gives, from the
 * file's own {@code __metadata__.config}, from a {@code config.json} beside it (diffusers), from
 * the published configuration that the user names, or from its keys and shapes.
 *
 * @param family the kind of network
 * @param config the network
 * @param layout whose key names the file uses
 * @param origin where the description comes from, for people
 * @param recipe how pictures are made with it; null for a network that makes none
 * @param classes names of the classes by label; empty if the file does not tell
 * @param missing keys that the network needs and the file lacks
 * @param leftOver keys of the file that the network does not know
 */
public record ModelFile(
    NetworkFamily family,
    NetworkConfig config,
    NetworkFamily.Layout layout,
    String origin,
    Recipe recipe,
    List<String> classes,
    List<String> missing,
    List<String> leftOver) {

  /** The key of a file's metadata that names the published checkpoint that it was made from. */
  public static final String PRESET = "preset";

  /** Norms and position embeddings often stay in f32 where everything else has 16 bits. */
  private static final double BY_FAR_MOST = 0.9;

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
    return recognise(null, checkpoint, description, "");
  }

  /** {@link #recognise(Path, Checkpoint, Path, String)} without a preset. */
  public static ModelFile recognise(Path path, Checkpoint checkpoint, Path description)
      throws CheckpointException {
    return recognise(path, checkpoint, description, "");
  }

  /**
   * {@link #recognise(Checkpoint, Path)} with all that may be known.
   *
   * @param path the file or directory that was opened, whose name tells something, and beside which
   *     a {@code config.json} may lie; or null
   * @param preset the name of a published checkpoint or size that the user says this is; or empty
   */
  public static ModelFile recognise(
      Path path, Checkpoint checkpoint, Path description, String preset)
      throws CheckpointException {
    var model = find(path, checkpoint, description, preset);
    if (!preset.isEmpty()) {
      var said = preset(checkpoint.name(), preset).config();
      if (!said.equals(model.config)) {
        throw new CheckpointException(
            checkpoint.name(),
            "is a %s, as %s says, not a %s; leave out --preset"
                .formatted(model.config.name(), model.origin, preset));
      }
    }
    return model;
  }

  private static ModelFile find(Path path, Checkpoint checkpoint, Path description, String preset)
      throws CheckpointException {
    var file = checkpoint.name();
    var shapes = shapes(checkpoint);
    var found =
        Families.of(shapes)
            .orElseThrow(
                () ->
                    new CheckpointException(
                        file,
                        "is no network that Gatun knows: a DiT has tensors such as"
                            + " x_embedder.proj.weight, this file begins with "
                            + checkpoint.tensors().values().stream()
                                .limit(3)
                                .map(TensorInfo::toString)
                                .collect(Collectors.joining(", "))));
    var metadata = checkpoint.metadata();
    var known = metadata.getOrDefault(PRESET, metadata.getOrDefault("args.model", ""));
    var hints = new Hints(preset.isEmpty() ? known : preset, path == null ? "" : file);
    var beside = beside(path, found.layout());
    var embedded = checkpoint.metadata().get("config");
    if (description != null) {
      var given = NetworkDescription.read(description);
      return of(checkpoint, shapes, found, Said.by(given, given.file()), hints);
    }
    if (embedded != null) {
      var own = NetworkDescription.embedded(file, embedded);
      return of(checkpoint, shapes, found, Said.by(own, "its own metadata"), hints);
    }
    if (beside != null) {
      var theirs = NetworkDescription.read(beside);
      return of(checkpoint, shapes, found, Said.by(theirs, theirs.file()), hints);
    }
    if (!preset.isEmpty()) {
      var said = new Said(preset(file, preset), preset, preset + " has", JsonObject.EMPTY);
      return of(checkpoint, shapes, found, said, hints);
    }
    try {
      var config = found.family().infer(shapes, hints);
      var member = new Families.Member(found.family(), config);
      var seen =
          new Said(member, "its keys and shapes", "its other tensors demand", JsonObject.EMPTY);
      return of(checkpoint, shapes, found, seen, hints);
    } catch (IllegalArgumentException | ParameterException e) {
      var fault = NearestPublished.fault(found, shapes).orElse(e.getMessage());
      throw new CheckpointException(file, fault, e);
    } catch (CheckpointException e) {
      // a missing tensor can make another one look wrong
      var fault = NearestPublished.fault(found, shapes);
      throw fault.isPresent() ? new CheckpointException(file, fault.get(), e) : e;
    }
  }

  /**
   * What a network is, and who says so.
   *
   * @param origin where that stands, for people
   * @param demand how a message goes on that tells what a shape should be
   * @param description in JSON; empty if nobody described it
   */
  private record Said(
      Families.Member member, String origin, String demand, JsonObject description) {
    static Said by(NetworkDescription description, String origin) throws CheckpointException {
      return new Said(description.network(), origin, "the description says", description.json());
    }
  }

  /** The {@code config.json} beside a file of diffusers, or null. */
  private static Path beside(Path path, NetworkFamily.Layout layout) {
    if (path == null || !layout.name().startsWith("diffusers")) {
      return null;
    }
    var directory = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    var beside = directory == null ? null : directory.resolve("config.json");
    return beside != null && Files.isRegularFile(beside) ? beside : null;
  }

  private static Families.Member preset(String file, String name) throws CheckpointException {
    return Families.preset(name)
        .orElseThrow(
            () ->
                new CheckpointException(
                    file,
                    "cannot be '"
                        + name
                        + "', for there is no such preset; there are "
                        + Preset.all().stream()
                            .map(Preset::name)
                            .collect(Collectors.joining(", "))));
  }

  private static SequencedMap<String, Shape> shapes(Checkpoint checkpoint) {
    var shapes = new LinkedHashMap<String, Shape>();
    checkpoint.tensors().forEach((key, info) -> shapes.put(key, info.shape()));
    return shapes;
  }

  /** Holds the file against a configuration. */
  private static ModelFile of(
      Checkpoint checkpoint,
      SequencedMap<String, Shape> shapes,
      Families.Recognised found,
      Said said,
      Hints hints)
      throws CheckpointException {
    var layout = found.layout();
    var config = said.member.config();
    if (said.member.family() != found.family()) {
      throw new CheckpointException(
          checkpoint.name(),
          "has the tensors of a %s, %s it is a %s"
              .formatted(found.family().models().getFirst(), said.demand, config.model()));
    }
    var expected = layout.stateDict(config);
    for (var entry : expected.entrySet()) {
      var shape = shapes.get(entry.getKey());
      if (shape != null && !shape.equals(entry.getValue())) {
        var text =
            "tensor %s is %s, %s %s"
                .formatted(entry.getKey(), shape, said.demand, entry.getValue());
        throw new CheckpointException(checkpoint.name(), text + guess(found, shapes));
      }
    }
    var missing =
        expected.keySet().stream()
            .filter(key -> !shapes.containsKey(key) && !layout.optional(key))
            .toList();
    var leftOver =
        shapes.keySet().stream()
            .filter(key -> !expected.containsKey(key) && !layout.ignored(key))
            .toList();
    try {
      var recipe =
          config instanceof DiffusionConfig images
              ? Recipe.of(checkpoint, images, said.description, hints)
              : null;
      return new ModelFile(
          said.member.family(),
          config,
          layout,
          said.origin,
          recipe,
          classNames(checkpoint, config),
          missing,
          leftOver);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(checkpoint.name(), e.getMessage(), e);
    }
  }

  /** The network that all shapes fit, as a question, where they do not fit this one. */
  private static String guess(Families.Recognised found, SequencedMap<String, Shape> shapes) {
    try {
      var config = found.family().infer(shapes, Hints.NONE);
      boolean fits =
          found.layout().stateDict(config).entrySet().stream()
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

  private static List<String> classNames(Checkpoint checkpoint, NetworkConfig config) {
    var said = MetadataJson.read(checkpoint, "classes");
    if (said.isEmpty()) {
      return List.of();
    }
    if (!(said.get() instanceof JsonArray(var items))) {
      throw new JsonException("the metadata 'classes' is not an array of names");
    }
    int most = classes(config);
    if (most > 0 && items.size() > most) {
      throw new JsonException(
          "the metadata 'classes' names %d classes, the network has %d"
              .formatted(items.size(), most));
    }
    return items.stream()
        .map(item -> item instanceof JsonString(var name) ? name : item.toString())
        .toList();
  }

  /** How many classes a network knows; 0 for one that knows none, beside which another may. */
  private static int classes(NetworkConfig config) {
    return switch (config) {
      case DiffusionConfig images -> images.numClasses();
      case ClassifierConfig classifier -> classifier.numClasses();
      default -> 0;
    };
  }

  /** The network as one that makes pictures; see {@link #requirePictures}. */
  public DiffusionConfig images() {
    return (DiffusionConfig) config;
  }

  /** How many classes a model that makes pictures can be asked for; 0 if it knows none. */
  int classCount() {
    var network = images();
    int rows = network.numClasses() + (network.nullClass() >= 0 ? 1 : 0);
    // the last row of the label table may stand for "no class" without the shapes showing it
    boolean lastIsNull = rows > 0 && recipe.training().nullClass() == rows - 1;
    return lastIsNull ? rows - 1 : network.numClasses();
  }

  /**
   * The same model for pictures of another size.
   *
   * @param side height and width in what the network counts in, pixels or latents
   * @throws IllegalArgumentException if the network cannot make it
   */
  ModelFile withSide(int side) {
    return new ModelFile(
        family, images().withInputSize(side), layout, origin, recipe, classes, missing, leftOver);
  }

  /**
   * Requires that pictures can be made with the file.
   *
   * @throws CheckpointException if it holds something else, or if nothing tells which of several
   *     published checkpoints it is
   */
  ModelFile requirePictures(String file) throws CheckpointException {
    if (recipe == null) {
      throw new CheckpointException(
          file, "is a " + config.name() + ", which makes no pictures by itself");
    }
    if (recipe.training() == null) {
      throw new CheckpointException(
          file,
          "could be any of %s, which are sampled differently; give --preset with one of them"
              .formatted(String.join(", ", recipe.candidates())));
    }
    return this;
  }

  /**
   * Loads the network that the file holds.
   *
   * @throws CheckpointException if a tensor is missing or left over, or the file was cut off
   */
  public Network load(Checkpoint checkpoint, Backend backend) throws CheckpointException {
    return loadBy(checkpoint, (config, parameters) -> family.load(config, parameters, backend));
  }

  /** The same of as much of it as a loader wants. */
  <T> T loadBy(Checkpoint checkpoint, BiFunction<NetworkConfig, Parameters, T> loader)
      throws CheckpointException {
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
    try {
      return loader.apply(config, layout.adapt(config, new CheckpointParameters(checkpoint)));
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
    return elements(checkpoint).entrySet().stream()
        .sorted(Map.Entry.<DType, Long>comparingByValue().reversed())
        .map(entry -> entry.getKey().name())
        .toList();
  }

  /**
   * The precision that a file is stored for: bf16 if by far most of its floating-point numbers have
   * 16 bits, else f32.
   */
  public static Precision storedPrecision(Checkpoint checkpoint) {
    long all = 0;
    long small = 0;
    for (var entry : elements(checkpoint).entrySet()) {
      var dtype = entry.getKey();
      all += dtype.isFloating() ? entry.getValue() : 0;
      small += dtype == DType.BF16 || dtype == DType.F16 ? entry.getValue() : 0;
    }
    return small > 0 && small >= all * BY_FAR_MOST ? Precision.BF16 : Precision.F32;
  }

  private static Map<DType, Long> elements(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .collect(
            Collectors.groupingBy(
                TensorInfo::dtype, Collectors.summingLong(info -> info.shape().size())));
  }
}
