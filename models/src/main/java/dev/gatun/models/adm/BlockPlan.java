package dev.gatun.models.adm;

import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.SequencedMap;

/**
 * A block of a network: modules one after the other.
 *
 * @param prefix of its keys, such as {@code input_blocks.4}
 * @param rate by how much the height and width of its operand are divided
 * @param parts the modules, whose index continues the prefix
 */
record BlockPlan(String prefix, int rate, List<Part> parts) {
  BlockPlan {
    parts = List.copyOf(parts);
  }

  /** Channels of the operand. */
  int in() {
    return parts.getFirst().in();
  }

  /** Channels of the result. */
  int out() {
    return parts.getLast().out();
  }

  /** By how much the height and width of its result are divided. */
  int outRate() {
    int rate = this.rate;
    for (var part : parts) {
      rate = finer(rate, part.resize());
    }
    return rate;
  }

  private static int finer(int rate, Resize resize) {
    return switch (resize) {
      case NONE -> rate;
      case DOWN -> 2 * rate;
      case UP -> rate / 2;
    };
  }

  void stateDict(SequencedMap<String, Shape> keys) {
    for (int i = 0; i < parts.size(); i++) {
      parts.get(i).stateDict(prefix + "." + i, keys);
    }
  }

  /** Multiply-adds for one picture of this size. */
  long multiplyAdds(int height, int width) {
    long sum = 0;
    int rate = this.rate;
    for (var part : parts) {
      rate = finer(rate, part.resize());
      sum += part.multiplyAdds((long) (height / rate) * (width / rate));
    }
    return sum;
  }
}
