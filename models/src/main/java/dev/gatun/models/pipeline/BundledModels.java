package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/** The small trained models that come with Gatun, so that a first picture needs no download. */
public final class BundledModels {
  private static final List<String> NAMES =
      List.of("dit-fruit", "uvit-digits", "diffit-digits", "adm-digits");

  /** Models that others work with. */
  private static final List<String> COMPANIONS = List.of("adm-digits-classifier");

  private BundledModels() {}

  /** Their names; the first is the default. */
  public static List<String> names() {
    return NAMES;
  }

  /** Those that make pictures, and those that help them. */
  static List<String> all() {
    return Stream.concat(NAMES.stream(), COMPANIONS.stream()).toList();
  }

  /**
   * A bundled checkpoint and the memory that it lies in.
   *
   * @param checkpoint open until this is closed
   * @param arena the memory
   */
  public record Bundled(Checkpoint checkpoint, Arena arena) implements AutoCloseable {
    @Override
    public void close() {
      checkpoint.close();
      arena.close();
    }
  }

  /**
   * Opens a bundled model.
   *
   * @throws CheckpointException if there is none of that name
   */
  public static Bundled open(String name) throws CheckpointException {
    Objects.requireNonNull(name, "name");
    if (!all().contains(name)) {
      throw new CheckpointException(
          name,
          "there is neither a file nor a bundled model of that name; bundled are "
              + String.join(", ", NAMES));
    }
    var resource = "/dev/gatun/models/bundled/" + name + ".safetensors";
    var arena = Arena.ofShared();
    try (var stream = BundledModels.class.getResourceAsStream(resource)) {
      if (stream == null) {
        throw new CheckpointException(name, "this build lacks the bundled model; build Gatun anew");
      }
      byte[] bytes = stream.readAllBytes();
      var memory = arena.allocate(bytes.length, 64);
      MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, 0, bytes.length);
      return new Bundled(Checkpoint.of(name, memory), arena);
    } catch (IOException e) {
      arena.close();
      throw e instanceof CheckpointException known
          ? known
          : new CheckpointException(name, "cannot be read", e);
    }
  }
}
