package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.CheckpointFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** What lies beside the file of a model. */
final class ModelFolder {
  private static final List<String> ENDINGS =
      List.of("", ".safetensors", ".pt", ".pth", ".bin", ".ckpt");

  private ModelFolder() {}

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
        .filter(path -> Files.isRegularFile(CheckpointFolder.resolve(path)))
        .findFirst();
  }

  private static Stream<Path> places(Path model, Path folder, String name) {
    var roots = Stream.<Path>builder();
    if (Files.isDirectory(model)) {
      roots.add(model);
    }
    if (folder != null) {
      roots.add(folder);
      if (folder.endsWith(CheckpointFolder.TRANSFORMER) && folder.getParent() != null) {
        roots.add(folder.getParent());
      }
    }
    return roots.build().flatMap(root -> ENDINGS.stream().map(end -> root.resolve(name + end)));
  }
}
