package dev.gatun.models.diffusion;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Which timesteps of a schedule a faster sampler keeps.
 *
 * <p>As {@code space_timesteps} of guided-diffusion ({@code respace.py}) and DiT, from "Improved
 * Denoising Diffusion Probabilistic Models" (A. Nichol, P. Dhariwal, 2021); the DDIM stride is from
 * "Denoising Diffusion Implicit Models" (J. Song, C. Meng, S. Ermon, 2020).
 */
public sealed interface Respacing {
  /** Every timestep. */
  record All() implements Respacing {}

  /**
   * Timesteps 0, s, 2s, … with the smallest stride s that gives this many.
   *
   * @param count how many to keep, at least 1
   */
  record Strided(int count) implements Respacing {
    public Strided {
      requirePositive(count);
    }
  }

  /**
   * The schedule is cut into sections of equal length (the first ones have one timestep more where
   * it does not divide), and each keeps a number of timesteps, evenly from its first to its last.
   *
   * @param counts how many to keep in each section, at least one section, each at least 1
   */
  record Sections(List<Integer> counts) implements Respacing {
    public Sections {
      counts = List.copyOf(counts);
      if (counts.isEmpty()) {
        throw new IllegalArgumentException("respacing has no section: give at least one count");
      }
      counts.forEach(Respacing::requirePositive);
    }
  }

  /**
   * Reads {@code ""} (all), {@code "250"} or {@code "10,8,6"} (sections), or {@code "ddim50"} (a
   * stride).
   *
   * @throws IllegalArgumentException for anything else
   */
  static Respacing parse(String text) {
    if (text.isBlank()) {
      return new All();
    }
    if (text.strip().startsWith("ddim")) {
      return new Strided(count(text, text.strip().substring("ddim".length())));
    }
    var counts = new ArrayList<Integer>();
    for (var part : text.split(",", -1)) {
      counts.add(count(text, part.strip()));
    }
    return new Sections(counts);
  }

  private static int count(String text, String part) {
    // Digits only: Integer.parseInt alone would take a sign and the digits of other scripts.
    if (part.matches("[0-9]+")) {
      try {
        int count = Integer.parseInt(part);
        if (count > 0) {
          return count;
        }
      } catch (NumberFormatException e) {
        // too large for an int, said below
      }
    }
    throw new IllegalArgumentException(
        "respacing '"
            + text
            + "': '"
            + part
            + "' is not a number of steps; give a positive count such as 250, one for each of"
            + " several sections such as 10,8,6, or ddim50");
  }

  private static void requirePositive(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("respacing keeps " + count + " steps: give at least 1");
    }
  }

  /**
   * The timesteps kept, ascending.
   *
   * @param steps how many the schedule has
   * @throws IllegalArgumentException if it has too few for this respacing, or no stride gives the
   *     count
   */
  default int[] timesteps(int steps) {
    var kept = new BitSet(steps);
    switch (this) {
      case All() -> kept.set(0, steps);
      case Strided(int count) -> {
        int stride = stride(steps, count);
        for (int t = 0; t < steps; t += stride) {
          kept.set(t);
        }
      }
      case Sections(List<Integer> counts) -> {
        int start = 0;
        for (int i = 0; i < counts.size(); i++) {
          int size = steps / counts.size() + (i < steps % counts.size() ? 1 : 0);
          keepEvenly(kept, start, size, counts.get(i));
          start += size;
        }
      }
    }
    return kept.stream().toArray();
  }

  private static int stride(int steps, int count) {
    for (int stride = 1; stride <= steps; stride++) {
      if (Math.ceilDiv(steps, stride) == count) {
        return stride;
      }
    }
    throw new IllegalArgumentException(
        "respacing ddim"
            + count
            + ": no stride keeps exactly "
            + count
            + " of "
            + steps
            + " timesteps; give another count, or "
            + count
            + " without ddim");
  }

  private static void keepEvenly(BitSet kept, int start, int size, int count) {
    if (count > size) {
      throw new IllegalArgumentException(
          "respacing keeps "
              + count
              + " steps of a section of "
              + size
              + " timesteps: give at most "
              + size);
    }
    double stride = count == 1 ? 1 : (size - 1) / (count - 1.0);
    // The reference accumulates and rounds halves to even; start + k·stride gives other timesteps.
    double current = 0;
    for (int k = 0; k < count; k++) {
      kept.set(start + (int) Math.rint(current));
      current += stride;
    }
  }
}
