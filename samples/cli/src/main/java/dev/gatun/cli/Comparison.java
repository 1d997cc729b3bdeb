package dev.gatun.cli;

import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.runtime.Precision;
import java.util.LinkedHashMap;
import java.util.Locale;

/**
 * How far a result is from that in another precision.
 *
 * @param precision the other one
 * @param relative ‖found − other‖ / ‖other‖
 * @param largest of the differences of single numbers
 * @param median how long the other one takes, in seconds
 */
record Comparison(Precision precision, double relative, double largest, double median) {
  static Comparison of(float[] found, Precision precision, float[] other, double median) {
    double differences = 0;
    double norm = 0;
    double largest = 0;
    for (int i = 0; i < found.length; i++) {
      double difference = (double) found[i] - other[i];
      differences += difference * difference;
      norm += (double) other[i] * other[i];
      largest = Math.max(largest, Math.abs(difference));
    }
    return new Comparison(precision, Math.sqrt(differences / norm), largest, median);
  }

  Json json() {
    var members = new LinkedHashMap<String, Json>();
    members.put("dtype", new JsonString(precision.toString()));
    members.put("relative_l2", number(relative));
    members.put("max_difference", number(largest));
    members.put("median_s", Seconds.json(median));
    return new JsonObject(members);
  }

  /** Three digits; null if there is no such number. */
  private static Json number(double value) {
    return Double.isFinite(value) ? JsonNumber.of(Double.parseDouble(text(value))) : JsonNull.NULL;
  }

  private static String text(double value) {
    return String.format(Locale.ROOT, "%.2e", value);
  }

  /** For people. */
  String text() {
    return "relative L2 error "
        + text(relative)
        + ", largest difference "
        + text(largest)
        + "; "
        + precision
        + " takes "
        + Seconds.text(median);
  }
}
