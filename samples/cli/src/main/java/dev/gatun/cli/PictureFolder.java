package dev.gatun.cli;

import dev.gatun.models.checkpoint.PartialFile;
import dev.gatun.models.pipeline.GeneratedImages;
import dev.gatun.models.pipeline.ImageRequest;
import dev.gatun.models.pipeline.ImageSink;
import dev.gatun.models.pipeline.Rng;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Each picture in a PNG file of its own, numbered from {@code 000000.png}. What was made stays when
 * the program is interrupted, and is not made again when it is started again with the same
 * parameters; these lie in {@link #PARAMETERS}, so that different ones do not mix.
 */
record PictureFolder(Path folder) implements PictureTarget {
  private static final String PARAMETERS = "parameters.txt";

  /** What does not change a picture, or only how many there are. */
  private static final Set<String> INDIFFERENT = Set.of("count", "batch", "backend");

  /** What a single picture is not described by: all that the others of the folder are. */
  private static final Set<String> OF_ALL = Set.of("count", "prompts");

  private static final String NUMBERED = "[0-9]{6}\\.png";

  private static final int MORE_BYTES = 1 << 20;

  /** How much of a value a sentence shows. */
  private static final int SHOWN = 60;

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
    PartialFile.removeLeftoversIn(folder);
    var wanted = describe(request);
    var file = folder.resolve(PARAMETERS);
    if (Files.exists(file)) {
      requireSame(read(file, wanted), wanted);
      if (request.rng() != Rng.IMAGE && holdsPictures()) {
        throw CommandException.failure(
            folder
                + ": was begun, and --rng "
                + request.rng().name().toLowerCase(Locale.ROOT)
                + " draws all pictures from one generator, so it cannot be continued; give an empty"
                + " folder");
      }
    } else {
      if (holdsPictures()) {
        throw CommandException.failure(
            folder + ": holds pictures of something else; give an empty folder");
      }
      write(file, wanted);
    }
  }

  /** What the folder holds. Whatever has many more bytes than are wanted is other anyway. */
  private static String read(Path file, String wanted) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw CommandException.failure(
          file + ": is no file that tells what the folder holds; give an empty folder");
    }
    int most = wanted.getBytes(StandardCharsets.UTF_8).length + MORE_BYTES;
    return new String(TextFile.read(file, most, "give an empty folder"), StandardCharsets.UTF_8);
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
    Map<String, String> now = entries(wanted);
    var names = new LinkedHashSet<>(now.keySet());
    names.addAll(before.keySet());
    for (var name : names) {
      var old = before.getOrDefault(name, "none");
      var other = now.getOrDefault(name, "none");
      if (!old.equals(other)) {
        throw CommandException.failure(
            "%s: holds pictures with %s %s, not %s; give an empty folder"
                .formatted(folder, shown(name), shown(old), shown(other)));
      }
    }
    throw CommandException.failure(
        folder + ": holds pictures with other parameters; give an empty folder");
  }

  private static String shown(String value) {
    return value.length() <= SHOWN ? value : value.substring(0, SHOWN) + "…";
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
    try (var partial = PartialFile.of(file)) {
      Files.writeString(partial.path(), text, StandardCharsets.UTF_8);
      partial.complete();
    }
  }

  private boolean holdsPictures() throws IOException {
    try (var files = Files.newDirectoryStream(folder, "*.png")) {
      for (var file : files) {
        if (file.getFileName().toString().matches(NUMBERED)) {
          return true;
        }
      }
      return false;
    }
  }

  private Path picture(int index) {
    return folder.resolve(Integer.toString(1_000_000 + index).substring(1) + ".png");
  }

  @Override
  public Outcome make(ImageRequest request) throws IOException, InterruptedException {
    int made = request.generate(new Missing(this, request));
    var files = IntStream.range(0, request.pictures()).mapToObj(this::picture).toList();
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
      var parameters = new LinkedHashMap<>(image.parameters());
      parameters.keySet().removeAll(OF_ALL);
      parameters.put("picture", Integer.toString(index));
      if (!prompt.isEmpty()) {
        parameters.put("prompt", line(prompt));
      }
      var text =
          parameters.entrySet().stream()
              .map(entry -> entry.getKey() + ": " + entry.getValue())
              .collect(Collectors.joining(", "));
      PictureTarget.write(image.image(0), text, target.picture(index));
    }
  }
}
