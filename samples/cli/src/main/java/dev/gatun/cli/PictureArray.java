package dev.gatun.cli;

import dev.gatun.models.checkpoint.NpzWriter;
import dev.gatun.models.pipeline.ImageRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * All pictures in one {@code .npz} file as the evaluators of guided-diffusion read it: {@code
 * arr_0} with the bytes {@code [N, H, W, 3]}, and {@code arr_1} with the classes where there are
 * any. The pictures are written as they are made.
 */
record PictureArray(Path file) implements PictureTarget {
  private static final int COLOURS = 3;

  @Override
  public void check(ImageRequest request) {
    PictureTarget.checkFile(file);
  }

  @Override
  public Outcome make(ImageRequest request) throws IOException, InterruptedException {
    int count = request.pictures();
    int side = request.size();
    long[] labels = new long[count];
    try (var writer = NpzWriter.create(file, count, side, side, COLOURS)) {
      int made =
          request.generate(
              (index, image) -> {
                writer.write(rgb(image.bytes(), image.channels()));
                labels[index] = request.label(index);
              });
      if (request.hasClasses()) {
        writer.finish(labels);
      } else {
        writer.finish();
      }
      return new Outcome(List.of(file), made, 0);
    }
  }

  /** Grey levels three times. */
  private static byte[] rgb(byte[] levels, int channels) {
    if (channels == COLOURS) {
      return levels;
    }
    byte[] rgb = new byte[levels.length / channels * COLOURS];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = levels[i / COLOURS * channels];
    }
    return rgb;
  }
}
