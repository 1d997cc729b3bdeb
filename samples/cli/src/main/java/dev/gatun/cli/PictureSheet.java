package dev.gatun.cli;

import dev.gatun.models.pipeline.ImageRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** All pictures on one sheet in a PNG file. */
record PictureSheet(Path file) implements PictureTarget {
  @Override
  public void check(ImageRequest request) {
    PictureTarget.checkFile(file);
  }

  @Override
  public Outcome make(ImageRequest request) throws IOException, InterruptedException {
    var images = request.generate();
    PictureTarget.write(images.grid(), images.describe(), file);
    return new Outcome(List.of(file), images.count(), 0);
  }
}
