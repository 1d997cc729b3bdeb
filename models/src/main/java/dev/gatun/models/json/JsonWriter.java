package dev.gatun.models.json;

import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonBool;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;

/** Writes JSON without blanks. */
final class JsonWriter {
  private final StringBuilder out = new StringBuilder();

  private JsonWriter() {}

  static String write(Json value) {
    var writer = new JsonWriter();
    writer.value(value);
    return writer.out.toString();
  }

  private void value(Json value) {
    switch (value) {
      case JsonObject(var members) -> {
        char before = '{';
        for (var member : members.entrySet()) {
          out.append(before);
          string(member.getKey());
          out.append(':');
          value(member.getValue());
          before = ',';
        }
        out.append(members.isEmpty() ? "{}" : "}");
      }
      case JsonArray(var items) -> {
        char before = '[';
        for (var item : items) {
          out.append(before);
          value(item);
          before = ',';
        }
        out.append(items.isEmpty() ? "[]" : "]");
      }
      case JsonString(var text) -> string(text);
      case JsonNumber(var text) -> out.append(text);
      case JsonBool(var truth) -> out.append(truth);
      case JsonNull.NULL -> out.append("null");
    }
  }

  private void string(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < ' ' || c == 0x7F) {
            out.append("\\u%04x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }
}
