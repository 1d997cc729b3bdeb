package dev.gatun.models.pipeline;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Where the files of a model lie, and what may lie beside them. */
final class ModelFolder {
  /** What a folder's own checkpoint is called: diffusers, transformers, U-ViT's trainings. */
  private static final List<String> NAMES =
      List.of(
          "diffusion_pytorch_model.safetensors",
          "diffusion_pytorch_model.bin",
          "model.safetensors",
          "pytorch_model.bin",
          "nnet_ema.pth");

  /** The folder of the network in a pipeline of diffusers. */
  private static final String TRANSFORMER = "transformer";

  private static final List<String> ENDINGS =
      List.of("", ".safetensors", ".pt", ".pth", ".bin", ".ckpt");

  private ModelFolder() {}

  /** The checkpoint that a path stands for: itself, or the one in a folder; itself if none is. */
  static Path checkpoint(Path path) {
    if (!Files.isDirectory(path)) {
      return path;
    }
    return Stream.of(path, path.resolve(TRANSFORMER))
        .flatMap(folder -> NAMES.stream().map(folder::resolve))
        .filter(Files::isRegularFile)
        .findFirst()
        .orElse(Files.isDirectory(path.resolve(TRANSFORMER)) ? path.resolve(TRANSFORMER) : path);
  }

  /**
   * A model that lies beside another: of a given name with any of the usual endings, or a folder.
   *
   * @param model file or folder
   * @param names without ending, the first found is taken
   */
  static Optional<Path> beside(Path model, String... names) {
    var folder = model.toAbsolutePath().getParent();
    return Stream.of(names)
        .filter(name -> !name.isEmpty())
        .flatMap(name -> places(model, folder, name))
        .filter(path -> Files.isRegularFile(checkpoint(path)))
        .findFirst();
  }

  private static Stream<Path> places(Path model, Path folder, String name) {
    var roots = Stream.<Path>builder();
    if (Files.isDirectory(model)) {
      roots.add(model);
    }
    if (folder != null) {
      roots.add(folder);
      if (folder.endsWith(TRANSFORMER) && folder.getParent() != null) {
        roots.add(folder.getParent());
      }
    }
    return roots.build().flatMap(root -> ENDINGS.stream().map(end -> root.resolve(name + end)));
  }
}
