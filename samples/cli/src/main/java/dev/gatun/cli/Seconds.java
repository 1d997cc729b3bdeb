package dev.gatun.cli;

import dev.gatun.models.json.Json.JsonNumber;

/** Durations for people and for programs. */
final class Seconds {
  private Seconds() {}

  /** Seconds to the microsecond. */
  static JsonNumber json(double seconds) {
    return JsonNumber.of(Math.round(seconds * 1e6) / 1e6);
  }

  /** For example {@code 2.1 s} or {@code 8.25 ms}. */
  static String text(double seconds) {
    return seconds < 0.1
        ? Math.round(seconds * 1e5) / 1e2 + " ms"
        : Math.round(seconds * 1e2) / 1e2 + " s";
  }
}
