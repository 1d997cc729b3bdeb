package dev.gatun.runtime.cpu.asm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every instruction against the bytes that GNU as makes of its text; see {@code generate}. */
class EncodingTest {
  @Test
  void theSameTextsAreOnBothSides() throws IOException {
    assertEquals(new TreeSet<>(oracle().keySet()), new TreeSet<>(Cases.all().keySet()));
  }

  @Test
  void theBytesAreThoseOfTheOracle() throws IOException {
    var expected = oracle();
    var wrong =
        Cases.all().entrySet().stream()
            .map(
                entry -> {
                  var assembler = new Assembler();
                  entry.getValue().accept(assembler);
                  var bytes = HexFormat.of().formatHex(assembler.code());
                  var right = expected.get(entry.getKey());
                  return bytes.equals(right)
                      ? ""
                      : "%s: expected %s, found %s".formatted(entry.getKey(), right, bytes);
                })
            .filter(line -> !line.isEmpty())
            .toList();
    assertTrue(wrong.isEmpty(), () -> String.join("\n", wrong));
  }

  @Test
  void everyInstructionHasCases() {
    var mnemonics =
        Cases.all().keySet().stream()
            .flatMap(text -> Stream.of(text.split("[ ;]+")))
            .collect(Collectors.toSet());
    var others = Set.of("label", "bind", "here", "align", "data", "size", "code");
    var names = Map.of("j", "je", "cmov", "cmove", "mov32", "mov");
    var without =
        Stream.of(Assembler.class.getMethods())
            .filter(method -> method.getDeclaringClass() != Object.class)
            .filter(method -> !Modifier.isStatic(method.getModifiers()))
            .map(Method::getName)
            .filter(name -> !others.contains(name))
            .filter(name -> !mnemonics.contains(names.getOrDefault(name, name)))
            .toList();
    assertEquals("[]", without.toString());
  }

  private static Map<String, String> oracle() throws IOException {
    try (var file = EncodingTest.class.getResourceAsStream("instructions.txt")) {
      var result = new LinkedHashMap<String, String>();
      new String(file.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.startsWith("#"))
          .forEach(
              line -> {
                int bar = line.indexOf(" | ");
                result.put(line.substring(bar + 3), line.substring(0, bar));
              });
      return result;
    }
  }
}
