package dev.gatun.cli;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** The name of a file or folder as the user gives it. */
final class PathArgument implements ITypeConverter<Path> {
  /** What the names of files are written in here; where it is not UTF-8, few of them can be. */
  private static final String ENCODING = System.getProperty("sun.jnu.encoding", "UTF-8");

  @Override
  public Path convert(String text) {
    if (text.isBlank()) {
      throw new TypeConversionException("the name is empty; give that of a file or folder");
    }
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new TypeConversionException(
          "'" + text + "' cannot be the name of a file" + reason(e, ENCODING));
    }
  }

  static String reason(InvalidPathException e, String encoding) {
    return encoding.equals("UTF-8")
        ? ": " + e.getReason()
        : ", for names are written in %s here; set LC_ALL=C.UTF-8".formatted(encoding);
  }
}
