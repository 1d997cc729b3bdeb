package dev.gatun.models.json;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A JSON value.
 *
 * <p>{@link #parse} is strict where files have been hostile to other readers: duplicate keys, a
 * byte-order mark, malformed UTF-8, lone surrogates, trailing text, nesting deeper than {@link
 * #MAX_DEPTH} and numbers longer than {@link #MAX_NUMBER} characters are errors.
 *
 * <p>{@link Object#toString} of any value is its JSON text.
 */
public sealed interface Json {
  /** How deep arrays and objects may nest. */
  int MAX_DEPTH = 64;

  /** How many characters a number may have; no double or long needs more than 25. */
  int MAX_NUMBER = 64;

  /** What kind of value it is, for messages: "a string". */
  String kind();

  /**
   * Reads one JSON value.
   *
   * @throws JsonException if the text is anything else
   */
  static Json parse(String text) {
    return parse(text.getBytes(StandardCharsets.UTF_8), Integer.MAX_VALUE);
  }

  /**
   * Reads one JSON value from UTF-8 that somebody else wrote.
   *
   * @param maxValues how many values, all told, may be made: a bound on the heap that the text can
   *     ask for
   * @throws JsonException if the bytes are anything else, or hold more values
   */
  static Json parse(byte[] utf8, int maxValues) {
    return new JsonReader(utf8, maxValues).document();
  }

  /** The object whose members are all strings. */
  static JsonObject object(Map<String, String> strings) {
    var members = new LinkedHashMap<String, Json>();
    strings.forEach((key, value) -> members.put(key, new JsonString(value)));
    return new JsonObject(members);
  }

  /**
   * An object.
   *
   * @param members in the order of the text
   */
  record JsonObject(SequencedMap<String, Json> members) implements Json {
    /** Without members. */
    public static final JsonObject EMPTY = new JsonObject(new LinkedHashMap<>());

    public JsonObject {
      members = Collections.unmodifiableSequencedMap(members);
    }

    @Override
    public String kind() {
      return "an object";
    }

    /** Whether there is a member of that name which is not {@code null}. */
    public boolean has(String key) {
      return members.get(key) != null && members.get(key) != JsonNull.NULL;
    }

    /**
     * A member.
     *
     * @throws JsonException if there is none
     */
    public Json get(String key) {
      var value = members.get(key);
      if (value == null) {
        throw new JsonException("key '" + key + "' is missing");
      }
      return value;
    }

    /** A member that is a string. */
    public String string(String key) {
      return get(key) instanceof JsonString(var value) ? value : wrong(key, "a string");
    }

    /** A member that is a string, or what stands for it where it is absent or null. */
    public String string(String key, String otherwise) {
      return has(key) ? string(key) : otherwise;
    }

    /** A member that is a whole number of 32 bits. */
    public int integer(String key) {
      if (get(key) instanceof JsonNumber number
          && number.isLong()
          && number.toLong() == (int) number.toLong()) {
        return (int) number.toLong();
      }
      return wrong(key, "a whole number of 32 bits");
    }

    /** A member that is a whole number, or what stands for it where it is absent or null. */
    public int integer(String key, int otherwise) {
      return has(key) ? integer(key) : otherwise;
    }

    /** A member that is a finite number. */
    public double number(String key) {
      if (get(key) instanceof JsonNumber number && Double.isFinite(number.toDouble())) {
        return number.toDouble();
      }
      return wrong(key, "a finite number");
    }

    /** A member that is a finite number, or what stands for it where it is absent or null. */
    public double number(String key, double otherwise) {
      return has(key) ? number(key) : otherwise;
    }

    /** A member that is true or false. */
    public boolean bool(String key) {
      return get(key) instanceof JsonBool(var value) ? value : wrong(key, "true or false");
    }

    /** A member that is true or false, or what stands for it where it is absent or null. */
    public boolean bool(String key, boolean otherwise) {
      return has(key) ? bool(key) : otherwise;
    }

    /** A member that is an object. */
    public JsonObject object(String key) {
      return get(key) instanceof JsonObject object ? object : wrong(key, "an object");
    }

    /** A member that is an array. */
    public JsonArray array(String key) {
      return get(key) instanceof JsonArray array ? array : wrong(key, "an array");
    }

    /** A member that is an array of whole numbers of 64 bits. */
    public long[] longs(String key) {
      var items = array(key).items();
      long[] values = new long[items.size()];
      for (int i = 0; i < values.length; i++) {
        if (!(items.get(i) instanceof JsonNumber number) || !number.isLong()) {
          var found =
              items.get(i) instanceof JsonNumber number ? number.text() : items.get(i).kind();
          throw new JsonException(
              "item " + i + " of '" + key + "' is " + found + ", expected a whole number");
        }
        values[i] = number.toLong();
      }
      return values;
    }

    private <T> T wrong(String key, String expected) {
      var found = get(key) instanceof JsonNumber number ? number.text() : get(key).kind();
      throw new JsonException("key '" + key + "' is " + found + ", expected " + expected);
    }

    @Override
    public String toString() {
      return JsonWriter.write(this);
    }
  }

  /** An array. */
  record JsonArray(List<Json> items) implements Json {
    public JsonArray {
      items = List.copyOf(items);
    }

    @Override
    public String kind() {
      return "an array";
    }

    @Override
    public String toString() {
      return JsonWriter.write(this);
    }
  }

  /** A string. */
  record JsonString(String value) implements Json {
    @Override
    public String kind() {
      return "a string";
    }

    @Override
    public String toString() {
      return JsonWriter.write(this);
    }
  }

  /**
   * A number, as it was written: no digit is lost before somebody says what it should be.
   *
   * @param text in the grammar of JSON
   */
  record JsonNumber(String text) implements Json {
    /** A whole number. */
    public static JsonNumber of(long value) {
      return new JsonNumber(Long.toString(value));
    }

    /** A finite number, written so that it reads back with the same bits. */
    public static JsonNumber of(double value) {
      if (!Double.isFinite(value)) {
        throw new JsonException(value + " cannot be written in JSON");
      }
      return new JsonNumber(Double.toString(value));
    }

    @Override
    public String kind() {
      return "a number";
    }

    /** Whether it is written without fraction and exponent and fits in a {@code long}. */
    public boolean isLong() {
      try {
        Long.parseLong(text);
        return true;
      } catch (NumberFormatException e) {
        return false;
      }
    }

    /**
     * The whole number.
     *
     * @throws JsonException unless {@link #isLong}
     */
    public long toLong() {
      if (!isLong()) {
        throw new JsonException(text + " is not a whole number of 64 bits");
      }
      return Long.parseLong(text);
    }

    /** The nearest double; infinite where the number is too large for one. */
    public double toDouble() {
      return Double.parseDouble(text);
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /** True or false. */
  record JsonBool(boolean value) implements Json {
    @Override
    public String kind() {
      return Boolean.toString(value);
    }

    @Override
    public String toString() {
      return Boolean.toString(value);
    }
  }

  /** Null. */
  enum JsonNull implements Json {
    NULL;

    @Override
    public String kind() {
      return "null";
    }

    @Override
    public String toString() {
      return "null";
    }
  }
}
