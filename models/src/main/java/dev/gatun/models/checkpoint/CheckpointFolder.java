package dev.gatun.models.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The file that holds the weights in a directory. */
final class CheckpointFolder {
  /**
   * What is looked for, in this order: all shards before one file, averaged weights before others.
   */
  private static final List<String> NAMES =
      List.of(
          "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors.index.json",
          "nnet_ema.pth", // beside nnet.pth, optimizer.pth … in the STEP.ckpt of a U-ViT
          "model.safetensors",
          "diffusion_pytorch_model.safetensors",
          "pytorch_model.bin");

  private CheckpointFolder() {}

  static Path find(Path directory) throws CheckpointException {
    for (var name : NAMES) {
      var file = directory.resolve(name);
      if (Files.isRegularFile(file)) {
        return file;
      }
    }
    throw new CheckpointException(
        MappedFile.name(directory),
        "is a directory without " + String.join(", ", NAMES) + "; name a file in it");
  }
}
