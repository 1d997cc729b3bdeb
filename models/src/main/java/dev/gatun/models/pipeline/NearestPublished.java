package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.runtime.Shape;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The published network that a file is nearly: where the tensors of a file tell no network, this
 * says which of them is the matter.
 */
final class NearestPublished {
  /** Where more than one tensor in so many differs, a single one explains nothing. */
  private static final int NEAR = 10;

  private NearestPublished() {}

  /**
   * The first tensor in which a file differs from the nearest published network, if one is near.
   */
  static Optional<String> fault(Families.Recognised found, SequencedMap<String, Shape> shapes) {
    String fault = null;
    int least = shapes.size() / NEAR;
    for (var name : found.family().published()) {
      var config = found.family().preset(name).orElseThrow();
      int differences = 0;
      String first = null;
      for (var entry : found.layout().stateDict(config).entrySet()) {
        var shape = shapes.get(entry.getKey());
        if (shape == null
            ? found.layout().optional(entry.getKey())
            : shape.equals(entry.getValue())) {
          continue;
        }
        if (first == null) {
          var key = CheckpointException.show(entry.getKey());
          first =
              shape == null
                  ? "tensor " + key + " is missing; " + name + " has it"
                  : "tensor " + key + " is " + shape + ", " + name + " has " + entry.getValue();
        }
        differences++;
      }
      if (differences == 0) {
        return Optional.empty(); // what the shapes do not tell is another matter
      }
      if (differences <= least) {
        least = differences - 1;
        fault = first;
      }
    }
    return Optional.ofNullable(fault);
  }
}
