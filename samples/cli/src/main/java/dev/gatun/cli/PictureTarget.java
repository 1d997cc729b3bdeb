package dev.gatun.cli;

import dev.gatun.models.checkpoint.PartialFile;
import dev.gatun.models.pipeline.ImageRequest;
import java.awt.image.BufferedImage;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.TypeConversionException;

/** Where pictures go. A file appears only when it is complete. */
sealed interface PictureTarget permits PictureSheet, PictureFolder, PictureArray {
  String OTHER_FORMATS = ".*\\.(jpe?g|gif|bmp|webp|tiff?)";

  /**
   * What became of a request.
   *
   * @param files that hold the pictures
   * @param made how many pictures were made
   * @param found how many were there already
   */
  record Outcome(List<Path> files, int made, int found) {}

  /**
   * What the user asked for: a name with {@code .png} is one sheet, with {@code .npz} an array, any
   * other a folder.
   *
   * @param out the name, or null for {@code MODEL-SEED.png} in the current folder
   */
  static PictureTarget of(String out, String model, long seed) {
    if (out == null) {
      var stem = model.replaceFirst("\\.(safetensors|pth?|ckpt|bin|json)$", "");
      return new PictureSheet(Path.of(stem + "-" + seed + ".png"));
    }
    var lower = out.toLowerCase(Locale.ROOT);
    if (lower.matches(OTHER_FORMATS)) {
      throw CommandException.usage(
          "--out "
              + out
              + ": pictures are written as PNG or as .npz; give a name with one of these, or a"
              + " folder");
    }
    try {
      var path = new PathArgument().convert(out);
      if (lower.endsWith(".png")) {
        return new PictureSheet(path);
      }
      return lower.endsWith(".npz") ? new PictureArray(path) : new PictureFolder(path);
    } catch (TypeConversionException e) {
      throw CommandException.usage("--out: " + e.getMessage());
    }
  }

  /** Says before the work begins that it could not be kept. */
  void check(ImageRequest request) throws IOException;

  /** Makes the pictures and keeps them. */
  Outcome make(ImageRequest request) throws IOException, InterruptedException;

  /** Requires that a file can be written. */
  static void checkFile(Path target) {
    if (Files.isDirectory(target)) {
      throw CommandException.failure(target + ": is a folder, expected a file; give another --out");
    }
    var folder = target.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder)) {
      throw CommandException.failure(target + ": there is no folder " + folder + "; make it first");
    }
    if (!Files.isWritable(folder)) {
      throw CommandException.failure(
          target + ": the folder " + folder + " cannot be written to; give another --out");
    }
  }

  /** Writes a picture with what made it. */
  static void write(BufferedImage image, String text, Path file) throws IOException {
    try (var partial = PartialFile.of(file)) {
      try (var out =
          new BufferedOutputStream(
              Files.newOutputStream(
                  partial.path(), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE))) {
        Png.write(image, "parameters", text, out);
      }
      partial.complete();
    }
  }
}
