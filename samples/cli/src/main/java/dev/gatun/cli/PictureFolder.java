package dev.gatun.cli;

import dev.gatun.models.pipeline.GeneratedImages;
import dev.gatun.models.pipeline.ImageRequest;
import dev.gatun.models.pipeline.ImageSink;
import dev.gatun.models.pipeline.Rng;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Each picture in a PNG file of its own, numbered from {@code 000000.png}. What was made stays when
 * the program is interrupted, and is not made again when it is started again with the same
 * parameters; these lie in {@link #PARAMETERS}, so that different ones do not mix.
 */
record PictureFolder(Path folder) implements PictureTarget {
  private static final String PARAMETERS = "parameters.txt";

  /** What does not change a picture, or only how many there are. */
  private static final Set<String> INDIFFERENT = Set.of("count", "batch", "backend");

  private static final String PARTIAL = ".+\\.([0-9]{1,18})\\.partial";

  @Override
  public void check(ImageRequest request) throws IOException {
    if (Files.exists(folder) && !Files.isDirectory(folder)) {
      throw CommandException.failure(
          folder + ": is a file, expected a folder; give another --out, or a name with .png");
    }
    Files.createDirectories(folder);
    if (!Files.isWritable(folder)) {
      throw CommandException.failure(folder + ": cannot be written to; give another --out");
    }
    removeLeftovers();
    var wanted = describe(request);
    var file = folder.resolve(PARAMETERS);
    if (Files.exists(file)) {
      requireSame(Files.readString(file, StandardCharsets.UTF_8), wanted);
      if (request.rng() != Rng.IMAGE && Files.exists(picture(0))) {
        throw CommandException.failure(
            folder
                + ": was begun, and --rng "
                + request.rng().name().toLowerCase(Locale.ROOT)
                + " draws all pictures from one generator, so it cannot be continued; give an empty"
                + " folder");
      }
    } else {
      if (Files.exists(picture(0))) {
        throw CommandException.failure(
            folder + ": holds pictures of something else; give an empty folder");
      }
      write(file, wanted);
    }
  }

  private static String describe(ImageRequest request) {
    return request.parameters().entrySet().stream()
        .filter(entry -> !INDIFFERENT.contains(entry.getKey()))
        .map(entry -> entry.getKey() + ": " + line(entry.getValue()) + "\n")
        .collect(Collectors.joining());
  }

  private static String line(String value) {
    return value.replaceAll("\\R", " ");
  }

  private void requireSame(String found, String wanted) {
    if (found.equals(wanted)) {
      return;
    }
    Map<String, String> before = entries(found);
    for (var entry : entries(wanted).entrySet()) {
      var other = before.getOrDefault(entry.getKey(), "none");
      if (!other.equals(entry.getValue())) {
        throw CommandException.failure(
            "%s: holds pictures with %s %s, not %s; give an empty folder"
                .formatted(folder, entry.getKey(), other, entry.getValue()));
      }
    }
    throw CommandException.failure(
        folder + ": holds pictures with other parameters; give an empty folder");
  }

  private static Map<String, String> entries(String text) {
    return text.lines()
        .filter(line -> line.contains(": "))
        .collect(
            Collectors.toMap(
                line -> line.substring(0, line.indexOf(": ")),
                line -> line.substring(line.indexOf(": ") + 2),
                (first, second) -> second,
                LinkedHashMap::new));
  }

  private static void write(Path file, String text) throws IOException {
    var partial = PictureTarget.partial(file);
    Files.writeString(partial, text, StandardCharsets.UTF_8);
    PictureTarget.complete(partial, file);
  }

  /** Files that a program was writing when it was killed. */
  private void removeLeftovers() throws IOException {
    try (var files = Files.newDirectoryStream(folder, "*.partial")) {
      for (var file : files) {
        var name = file.getFileName().toString();
        if (name.matches(PARTIAL)
            && ProcessHandle.of(Long.parseLong(name.replaceFirst(PARTIAL, "$1"))).isEmpty()) {
          Files.deleteIfExists(file);
        }
      }
    }
  }

  private Path picture(int index) {
    return folder.resolve(Integer.toString(1_000_000 + index).substring(1) + ".png");
  }

  @Override
  public Outcome make(ImageRequest request) throws IOException, InterruptedException {
    int made = request.generate(new Missing(this, request));
    var files = new ArrayList<Path>();
    for (int i = 0; Files.exists(picture(i)); i++) {
      files.add(picture(i));
    }
    return new Outcome(files, made, request.pictures() - made);
  }

  /** The pictures that are missing. */
  private record Missing(PictureFolder target, ImageRequest request) implements ImageSink {
    @Override
    public boolean wants(int index) {
      return !Files.exists(target.picture(index));
    }

    @Override
    public void accept(int index, GeneratedImages image) throws IOException {
      var prompt = request.prompt(index);
      var text =
          image.describe()
              + ", picture: "
              + index
              + (prompt.isEmpty() ? "" : ", prompt: " + line(prompt));
      PictureTarget.write(image.image(0), text, target.picture(index));
    }
  }
}
