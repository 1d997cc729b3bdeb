package dev.gatun.cli;

/**
 * Text that may come of a file, as a terminal may show it: control characters, with which a file
 * could move the cursor, rename the window or reverse what is read, become {@code \}{@code u001b}.
 *
 * <p>In JSON this changes nothing, for there a character may be written so.
 */
final class Printable {
  private Printable() {}

  static String of(String text) {
    if (text.chars().noneMatch(Printable::controls)) {
      return text;
    }
    var printable = new StringBuilder();
    text.chars()
        .forEach(
            c -> {
              if (controls(c)) {
                printable.append("\\u%04x".formatted(c));
              } else {
                printable.append((char) c);
              }
            });
    return printable.toString();
  }

  /** Control characters, separators of lines, and what overrides the direction of writing. */
  private static boolean controls(int c) {
    return Character.isISOControl(c)
        || c == '\u2028'
        || c == '\u2029'
        || c >= '\u202a' && c <= '\u202e'
        || c >= '\u2066' && c <= '\u2069';
  }
}
