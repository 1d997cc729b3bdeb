package dev.gatun.cli;

import dev.gatun.models.pipeline.GeneratedImages;
import java.awt.image.BufferedImage;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Where pictures go: all on one sheet in a file, or each in a file of its own in a folder.
 *
 * @param target the file or the folder
 * @param sheet whether it is a file
 */
record PictureFiles(Path target, boolean sheet) {
  private static final String OTHER_FORMATS = ".*\\.(jpe?g|gif|bmp|webp|tiff?|npz)";

  /**
   * What the user asked for: a name with {@code .png} is a file, any other a folder.
   *
   * @param out the name, or null for {@code MODEL-SEED.png} in the current folder
   */
  static PictureFiles of(String out, String model, long seed) {
    if (out == null) {
      var stem = model.replaceFirst("\\.(safetensors|pth?|ckpt|bin|json)$", "");
      return new PictureFiles(Path.of(stem + "-" + seed + ".png"), true);
    }
    var lower = out.toLowerCase(Locale.ROOT);
    if (lower.matches(OTHER_FORMATS)) {
      throw CommandException.usage(
          "--out " + out + ": pictures are written as PNG; give a name with .png, or a folder");
    }
    try {
      return new PictureFiles(Path.of(out), lower.endsWith(".png"));
    } catch (InvalidPathException e) {
      throw CommandException.usage("--out " + out + ": " + e.getReason());
    }
  }

  /** Says before the work begins that it could not be kept. */
  void check() throws IOException {
    if (!sheet) {
      if (Files.exists(target) && !Files.isDirectory(target)) {
        throw CommandException.failure(
            target + ": is a file, expected a folder; give another --out, or a name with .png");
      }
      Files.createDirectories(target);
      return;
    }
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

  /** Writes the pictures; a file appears only when it is complete. */
  List<Path> write(GeneratedImages images) throws IOException {
    if (sheet) {
      write(images.grid(), images.describe(), target);
      return List.of(target);
    }
    var files = new ArrayList<Path>();
    for (int i = 0; i < images.count(); i++) {
      var number = Integer.toString(1_000_000 + i).substring(1);
      var file = target.resolve(number + ".png");
      write(images.image(i), images.describe() + ", picture: " + i, file);
      files.add(file);
    }
    return files;
  }

  private static void write(BufferedImage image, String text, Path file) throws IOException {
    var partial =
        file.resolveSibling(file.getFileName() + "." + ProcessHandle.current().pid() + ".partial");
    try {
      try (var out =
          new BufferedOutputStream(
              Files.newOutputStream(
                  partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE))) {
        Png.write(image, "parameters", text, out);
      }
      try {
        Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(partial);
    }
  }
}
