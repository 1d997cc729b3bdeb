package dev.gatun.cli;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.CheckpointFolder;
import dev.gatun.models.pipeline.BundledModels;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.runtime.Precision;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * The checkpoint that the user named: a bundled model, else a file or folder. (A file that is
 * called like a bundled model is reached as {@code ./dit-fruit}.)
 *
 * @param name for people
 * @param path of the file, or null for a bundled model
 * @param checkpoint open until this is closed
 * @param memory what else has to be closed
 */
record ModelSource(String name, Path path, Checkpoint checkpoint, AutoCloseable memory)
    implements AutoCloseable {

  static final String DEFAULT = "dit-fruit";

  /**
   * Opens it; no number is read.
   *
   * @throws CheckpointException if there is no such model, or if it is broken
   */
  static ModelSource open(String model) throws CheckpointException {
    if (isBundled(model)) {
      var bundled = BundledModels.open(model);
      return new ModelSource(model, null, bundled.checkpoint(), bundled);
    }
    var path = CheckpointFolder.resolve(Path.of(model));
    var checkpoint = Checkpoint.open(path);
    return new ModelSource(checkpoint.name(), path, checkpoint, checkpoint);
  }

  /** Whether a word is the name of a file or folder that is there. */
  static boolean isFile(String model) {
    try {
      return Files.exists(Path.of(model));
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /** Whether a word means a bundled model. */
  static boolean isBundled(String model) {
    return BundledModels.names().contains(model) || !mayBePath(model);
  }

  /** A word that names no file is meant as a bundled model: the error then lists those. */
  private static boolean mayBePath(String model) {
    try {
      return !model.isEmpty() && Files.exists(Path.of(model))
          || model.contains("/")
          || model.contains(".");
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /**
   * Recognises the network.
   *
   * @param description a JSON file that the user gave, or null
   * @param preset the published checkpoint that the user says it is, or empty
   */
  ModelFile recognise(Path description, String preset) throws CheckpointException {
    return ModelFile.recognise(path, checkpoint, description, preset);
  }

  /** What its weights are stored for. */
  Precision storedPrecision() {
    return ModelFile.storedPrecision(checkpoint);
  }

  /** The same of a model that is not open. */
  static Precision storedPrecision(String model) throws CheckpointException {
    try (var source = open(model)) {
      return source.storedPrecision();
    }
  }

  @Override
  public void close() {
    try {
      memory.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
