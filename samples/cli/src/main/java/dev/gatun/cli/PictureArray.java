package dev.gatun.cli;

import dev.gatun.models.checkpoint.Npz;
import dev.gatun.models.pipeline.ImageRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * All pictures in one {@code .npz} file as the evaluators of guided-diffusion read it: {@code arr_0}
 * with the bytes {@code [N, H, W, 3]}, and {@code arr_1} with the classes where there are any.
 */
record PictureArray(Path file) implements PictureTarget {
  @Override
  public void check(ImageRequest request) {
    PictureTarget.checkFile(file);
  }
}
