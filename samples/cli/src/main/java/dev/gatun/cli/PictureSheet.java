package dev.gatun.cli;

import dev.gatun.models.checkpoint.PartialFile;
import dev.gatun.models.pipeline.ImageRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** All pictures on one sheet in a PNG file. */
record PictureSheet(Path file) implements PictureTarget {
  /** A sheet lies in memory as a whole. */
  private static final long MOST_PIXELS = 1 << 27;

  @Override
  public void check(ImageRequest request) {
    PictureTarget.checkFile(file);
    PartialFile.removeLeftovers(file);
    long most = MOST_PIXELS / ((long) request.size() * request.size());
    if (request.pictures() > most) {
      throw CommandException.failure(
          "%s: %d pictures are too many for one sheet, which takes up to %d; give --out a folder"
              .formatted(file, request.pictures(), most));
    }
  }

  @Override
  public Outcome make(ImageRequest request) throws IOException, InterruptedException {
    var images = request.generate();
    PictureTarget.write(images.grid(), images.describe(), file);
    return new Outcome(List.of(file), images.count(), 0);
  }
}
