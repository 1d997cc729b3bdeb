package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.CheckpointException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The classes of a model, as people ask for them.
 *
 * @param count how many there are
 * @param names by label; empty if they have none
 */
record ClassNames(int count, List<String> names) {
  /** How many names a sentence lists. */
  private static final int SHOWN = 20;

  /** The label of a class by name or number. */
  int label(String text) {
    var name = text.strip();
    int label = indexOf(name);
    if (label < 0) {
      throw new IllegalArgumentException(
          "there is no class '" + CheckpointException.show(name) + "'" + cure());
    }
    return label(label);
  }

  /** A label that there is. */
  int label(int label) {
    if (label < 0 || label >= count) {
      throw new IllegalArgumentException(
          count == 0
              ? "class " + label + cure()
              : "class " + label + " is not one of 0 to " + (count - 1) + cure());
    }
    return label;
  }

  private int indexOf(String name) {
    for (int i = 0; i < names.size(); i++) {
      if (names.get(i).toLowerCase(Locale.ROOT).equals(name.toLowerCase(Locale.ROOT))) {
        return i;
      }
    }
    return name.matches("[0-9]{1,9}") ? Integer.parseInt(name) : -1;
  }

  private String cure() {
    if (count == 0) {
      return ": this model knows no classes; leave them out";
    }
    if (names.isEmpty()) {
      return "; this model's classes have no names, give numbers from 0 to " + (count - 1);
    }
    var some =
        names.stream()
            .limit(SHOWN)
            .map(CheckpointException::show)
            .collect(Collectors.joining(", "));
    int more = names.size() - SHOWN;
    return "; there are " + some + (more > 0 ? " and " + more + " more" : "");
  }
}
