package dev.gatun.models.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The file that holds the weights in a directory. */
public final class CheckpointFolder {
  /**
   * What is looked for, in this order: all shards before one file, averaged weights before others,
   * safetensors before a pickle.
   */
  private static final List<String> NAMES =
      List.of(
          "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors.index.json",
          "nnet_ema.pth", // beside nnet.pth, optimizer.pth … in the STEP.ckpt of a U-ViT
          "model.safetensors",
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.bin",
          "pytorch_model.bin");

  /** The folder of the network in a pipeline of diffusers. */
  public static final String TRANSFORMER = "transformer";

  private CheckpointFolder() {}

  /**
   * The file that a path stands for: itself, or the one that holds the weights of a directory or of
   * the {@value #TRANSFORMER} in it; the path itself if there is none.
   */
  public static Path resolve(Path path) {
    return Files.isDirectory(path) ? in(path).orElse(path) : path;
  }

  /**
   * @throws CheckpointException if there is none; the message lists the names
   */
  static Path find(Path directory) throws CheckpointException {
    return in(directory)
        .orElseThrow(
            () ->
                new CheckpointException(
                    MappedFile.name(directory),
                    "is a directory without " + String.join(", ", NAMES) + "; name a file in it"));
  }

  private static Optional<Path> in(Path directory) {
    return Stream.of(directory, directory.resolve(TRANSFORMER))
        .flatMap(folder -> NAMES.stream().map(folder::resolve))
        .filter(Files::isRegularFile)
        .findFirst();
  }
}
