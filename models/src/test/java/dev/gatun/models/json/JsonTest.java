package dev.gatun.models.json;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
  private static JsonObject object(String text) {
    return (JsonObject) Json.parse(text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-12.5e-3",
        "1E400",
        "\"\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],null]",
        "{\"b\":1,\"a\":\"é😀\\u0000\\\"\\\\\\n\"}"
      })
  void whatIsWrittenIsWhatWasRead(String text) {
    assertEquals(text, Json.parse(text).toString());
    assertEquals(text, Json.parse(" \t\r\n" + text + "\n ").toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`` | a value is expected",
        "[ | a value is expected",
        "[1,] | a value is expected",
        "[1 2] | ',' or ']' is expected",
        "{\"a\" 1} | ':' is expected",
        "{\"a\":1,} | a key in quotes",
        "{a:1} | a key in quotes",
        "{\"a\":1 \"b\":2} | ',' or '}' is expected",
        "{\"a\":1,\"\\u0061\":2} | key 'a' occurs twice",
        "01 | text follows the value",
        "1. | a digit is expected",
        "1e | a digit is expected",
        "+1 | a value is expected",
        "-x | a digit is expected",
        ".5 | a value is expected",
        "NaN | a value is expected",
        "nul | a value is expected",
        "nullx | text follows the value",
        "\"abc | a string has no end",
        "\"abc\\ | a string has no end",
        "\"abc\\\" | a string has no end",
        "\"\\x\" | unknown escape",
        "\"\\u12\" | four hexadecimal digits",
        "\"\\u12G4\" | four hexadecimal digits",
        "\"\\ud800\" | half of a surrogate pair",
        "\"\\udc00\\ud800\" | half of a surrogate pair",
        "1 2 | text follows the value",
        "// x | a value is expected"
      })
  void otherTextIsRefused(String text, String fact) {
    var e = assertThrows(JsonException.class, () -> Json.parse(text));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
    assertTrue(e.getMessage().contains("at byte"), e.getMessage());
  }

  @Test
  void bytesThatAreNotUtf8OrHaveAMarkAreRefused() {
    for (byte[] bytes :
        List.of(
            new byte[] {'"', (byte) 0xFF, '"'},
            new byte[] {'"', (byte) 0xC0, (byte) 0x80, '"'},
            new byte[] {'"', (byte) 0xED, (byte) 0xA0, (byte) 0x80, '"'},
            new byte[] {'"', '\n', '"'},
            "\uFEFF1".getBytes(StandardCharsets.UTF_8))) {
      assertThrows(JsonException.class, () -> Json.parse(bytes, 10));
    }
  }

  @Test
  void depthLengthAndCountAreBounded() {
    Json.parse("[".repeat(64) + "]".repeat(64));
    assertFact("deeper than 64", () -> Json.parse("[".repeat(65) + "]".repeat(65)));
    Json.parse("1".repeat(64));
    assertFact("longer than 64", () -> Json.parse("1".repeat(65)));
    byte[] three = "[1,2]".getBytes(StandardCharsets.UTF_8);
    Json.parse(three, 3);
    assertFact("too many values", () -> Json.parse(three, 2));
  }

  private static void assertFact(String fact, Executable code) {
    var e = assertThrows(JsonException.class, code);
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  @Test
  void membersAreGivenByType() {
    var json =
        object(
            "{\"s\":\"x\",\"i\":-7,\"d\":1e-4,\"t\":true,\"n\":null,\"o\":{\"k\":1},\"a\":[1,2]}");
    assertEquals("x", json.string("s"));
    assertEquals(-7, json.integer("i"));
    assertEquals(1e-4, json.number("d"));
    assertEquals(-7.0, json.number("i"));
    assertTrue(json.bool("t"));
    assertEquals(1, json.object("o").integer("k"));
    assertArrayEquals(new long[] {1, 2}, json.longs("a"));
    assertEquals(2, json.array("a").items().size());
    assertFalse(json.has("n"));
    assertEquals(5, json.integer("n", 5));
    assertEquals("z", json.string("none", "z"));
    assertEquals(0.5, json.number("none", 0.5));
    assertTrue(json.bool("none", true));
    assertEquals(List.of("s", "i", "d", "t", "n", "o", "a"), List.copyOf(json.members().keySet()));
  }

  @Test
  void membersOfAnotherTypeAreNamed() {
    var json = object("{\"s\":\"x\",\"d\":1.0,\"l\":3000000000,\"h\":1e400,\"a\":[1,\"x\"]}");
    assertFact("key 'k' is missing", () -> json.string("k"));
    assertFact("key 'd' is 1.0, expected a string", () -> json.string("d"));
    assertFact("key 'd' is 1.0, expected a whole number of 32 bits", () -> json.integer("d"));
    assertFact("key 'l' is 3000000000, expected a whole number", () -> json.integer("l", 1));
    assertFact("key 'h' is 1e400, expected a finite number", () -> json.number("h"));
    assertFact("key 's' is a string, expected true or false", () -> json.bool("s"));
    assertFact("key 's' is a string, expected an object", () -> json.object("s"));
    assertFact("item 1 of 'a' is a string", () -> json.longs("a"));
  }

  @Test
  void numbersKeepTheirBits() {
    double value = 0.1 + 0.2;
    assertEquals(value, ((JsonNumber) Json.parse(JsonNumber.of(value).toString())).toDouble());
    assertEquals(
        Long.MIN_VALUE,
        ((JsonNumber) Json.parse(JsonNumber.of(Long.MIN_VALUE).toString())).toLong());
    assertThrows(JsonException.class, () -> JsonNumber.of(Double.NaN));
    assertEquals("\"\\u0007\"", new JsonString("\u0007").toString());
  }
}
