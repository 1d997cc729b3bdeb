package dev.gatun.models.adm;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Predicate;

/**
 * The published networks of a kind, and which of them a file holds: what its keys and shapes do not
 * show (heads, the order of qkv, the picture size) is that of the network whose keys and shapes are
 * all the same.
 *
 * @param byName in the order in which a nearest one is looked for
 * @param aliases other names, each for one of them
 */
record Published<C extends NetworkConfig>(
    SequencedMap<String, C> byName, Map<String, String> aliases) {

  Optional<C> preset(String name) {
    return byName.entrySet().stream()
        .filter(
            entry ->
                entry.getKey().equalsIgnoreCase(name)
                    || name.equalsIgnoreCase(aliases.get(entry.getKey())))
        .map(Map.Entry::getValue)
        .findFirst();
  }

  /** All names. */
  List<String> names() {
    return List.copyOf(byName.keySet());
  }

  /** The published names of a network; several where networks differ in nothing but weights. */
  Optional<String> name(Predicate<C> isIt) {
    var names =
        byName.entrySet().stream()
            .filter(entry -> isIt.test(entry.getValue()))
            .map(Map.Entry::getKey)
            .toList();
    return names.isEmpty() ? Optional.empty() : Optional.of(String.join(" or ", names));
  }

  /**
   * The network that a file holds.
   *
   * @param otherwise what to do if it is another network, for the message
   * @throws ParameterException if there is none; the message names the first tensor in which the
   *     nearest one differs, if one is near
   */
  C infer(SequencedMap<String, Shape> keys, Hints hints, String otherwise) {
    var hinted = preset(hints.preset());
    C nearest = hinted.orElse(null);
    int least = Integer.MAX_VALUE;
    var name = hints.preset();
    if (nearest != null) {
      least = differences(nearest, keys).size();
    } else {
      for (var entry : byName.entrySet()) {
        int count = differences(entry.getValue(), keys).size();
        if (count < least) {
          least = count;
          nearest = entry.getValue();
          name = entry.getKey();
        }
      }
    }
    if (least == 0) {
      return nearest;
    }
    // Where more than a tenth is different, a single tensor would explain nothing.
    if (hinted.isPresent() || least <= keys.size() / 10) {
      var first = differences(nearest, keys).entrySet().iterator().next();
      throw new ParameterException(
          "tensor "
              + CheckpointException.show(first.getKey())
              + first.getValue().formatted(name)
              + "; "
              + otherwise);
    }
    throw new ParameterException(
        "these are the tensors of no published network, and they do not tell its heads; "
            + otherwise);
  }

  /** Every tensor in which a file and a network differ, and how, with a place for its name. */
  private SequencedMap<String, String> differences(C config, SequencedMap<String, Shape> keys) {
    var differences = new LinkedHashMap<String, String>();
    var expected = config.stateDict();
    expected.forEach(
        (key, shape) -> {
          var found = keys.get(key);
          if (found == null) {
            differences.put(key, " is missing; %s has it");
          } else if (!found.equals(shape)) {
            differences.put(key, " is " + found + ", in %s it is " + shape);
          }
        });
    keys.keySet().stream()
        .filter(key -> !expected.containsKey(key))
        .forEach(key -> differences.put(key, " is left over; %s has no such tensor"));
    return differences;
  }
}
