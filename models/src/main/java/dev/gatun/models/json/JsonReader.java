package dev.gatun.models.json;

import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonBool;
import dev.gatun.models.json.Json.JsonNull;
import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;

/** A recursive-descent reader of RFC 8259 over UTF-8 bytes; its depth and its heap are bounded. */
final class JsonReader {
  private final byte[] text;
  private int at;
  private int depth;
  private int valuesLeft;

  JsonReader(byte[] text, int maxValues) {
    this.text = text;
    this.valuesLeft = maxValues;
  }

  Json document() {
    if (text.length >= 3
        && text[0] == (byte) 0xEF
        && text[1] == (byte) 0xBB
        && text[2] == (byte) 0xBF) {
      throw error("the text begins with a byte-order mark");
    }
    var value = value();
    blanks();
    if (at < text.length) {
      throw error("text follows the value");
    }
    return value;
  }

  private Json value() {
    if (valuesLeft-- == 0) {
      throw error("the text holds too many values");
    }
    blanks();
    return switch (peek()) {
      case '{' -> object();
      case '[' -> array();
      case '"' -> new JsonString(string());
      case 't' -> literal("true", new JsonBool(true));
      case 'f' -> literal("false", new JsonBool(false));
      case 'n' -> literal("null", JsonNull.NULL);
      default -> number();
    };
  }

  private Json object() {
    open();
    var members = new LinkedHashMap<String, Json>();
    if (!next('}')) {
      do {
        blanks();
        if (peek() != '"') {
          throw error("a key in quotes is expected");
        }
        int keyAt = at;
        var key = string();
        if (!next(':')) {
          throw error("':' is expected after a key");
        }
        if (members.put(key, value()) != null) {
          at = keyAt;
          throw error("key '" + abbreviate(key) + "' occurs twice");
        }
      } while (next(','));
      if (!next('}')) {
        throw error("',' or '}' is expected");
      }
    }
    depth--;
    return new JsonObject(members);
  }

  private Json array() {
    open();
    var items = new ArrayList<Json>();
    if (!next(']')) {
      do {
        items.add(value());
      } while (next(','));
      if (!next(']')) {
        throw error("',' or ']' is expected");
      }
    }
    depth--;
    return new JsonArray(items);
  }

  private void open() {
    if (++depth > Json.MAX_DEPTH) {
      throw error("values nest deeper than " + Json.MAX_DEPTH);
    }
    at++;
  }

  private Json literal(String word, Json value) {
    for (int i = 0; i < word.length(); i++) {
      if (at + i >= text.length || text[at + i] != word.charAt(i)) {
        throw error("a value is expected");
      }
    }
    at += word.length();
    return value;
  }

  private Json number() {
    int begin = at;
    if (peek() == '-') {
      at++;
    }
    if (peek() == '0') {
      at++;
    } else {
      digits(begin);
    }
    if (peek() == '.') {
      at++;
      digits(begin);
    }
    if (peek() == 'e' || peek() == 'E') {
      at++;
      if (peek() == '+' || peek() == '-') {
        at++;
      }
      digits(begin);
    }
    return new JsonNumber(new String(text, begin, at - begin, StandardCharsets.ISO_8859_1));
  }

  private void digits(int begin) {
    if (peek() < '0' || peek() > '9') {
      throw error(at == begin ? "a value is expected" : "a digit is expected");
    }
    while (peek() >= '0' && peek() <= '9') {
      if (++at - begin > Json.MAX_NUMBER) {
        throw error("a number is longer than " + Json.MAX_NUMBER + " characters");
      }
    }
  }

  private String string() {
    int begin = ++at;
    boolean plain = true;
    for (; ; at++) {
      int c = peek();
      if (c < ' ') {
        throw error(
            at < text.length ? "a control character is in a string" : "a string has no end");
      }
      if (c == '"') {
        break;
      }
      if (c == '\\') {
        plain = false;
        // Skips the escaped character, so that an escaped quote does not end the string.
        at++;
      }
    }
    var raw = decode(begin, at);
    var value = plain ? raw : unescape(raw, begin);
    at++;
    return value;
  }

  private String decode(int begin, int end) {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(text, begin, end - begin))
          .toString();
    } catch (CharacterCodingException e) {
      at = begin;
      throw error("a string is not UTF-8");
    }
  }

  private String unescape(String raw, int begin) {
    var out = new StringBuilder(raw.length());
    for (int i = 0; i < raw.length(); i++) {
      char c = raw.charAt(i);
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escaped = raw.charAt(++i);
      switch (escaped) {
        case '"', '\\', '/' -> out.append(escaped);
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'u' -> {
          out.append(unit(raw, i + 1, begin));
          i += 4;
        }
        default -> {
          at = begin;
          throw error("a string has an unknown escape");
        }
      }
    }
    for (int i = 0; i < out.length(); i++) {
      char c = out.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < out.length()
          && Character.isLowSurrogate(out.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        at = begin;
        throw error("a string has half of a surrogate pair");
      }
    }
    return out.toString();
  }

  private char unit(String raw, int from, int begin) {
    int unit = 0;
    for (int i = from; i < from + 4; i++) {
      int digit =
          i < raw.length() && raw.charAt(i) < 0x80 ? Character.digit(raw.charAt(i), 16) : -1;
      if (digit < 0) {
        at = begin;
        throw error("a string has a \\u escape without four hexadecimal digits");
      }
      unit = unit << 4 | digit;
    }
    return (char) unit;
  }

  private boolean next(char expected) {
    blanks();
    if (peek() == expected) {
      at++;
      return true;
    }
    return false;
  }

  private void blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') {
      at++;
    }
  }

  /** The byte here, or -1 after the last. */
  private int peek() {
    return at < text.length ? text[at] & 0xFF : -1;
  }

  private static String abbreviate(String key) {
    var clean = key.replaceAll("\\p{Cntrl}", "?");
    return clean.length() <= 80 ? clean : clean.substring(0, 80) + "…";
  }

  private JsonException error(String fact) {
    return new JsonException(fact + " at byte " + Math.min(at, text.length));
  }
}
