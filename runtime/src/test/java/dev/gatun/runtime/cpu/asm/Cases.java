package dev.gatun.runtime.cpu.asm;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/** Instructions as Intel writes them, each with the calls that make it. */
final class Cases {
  private final Map<String, Consumer<Assembler>> all = new LinkedHashMap<>();

  static Map<String, Consumer<Assembler>> all() {
    var cases = new Cases();
    IntegerCases.addTo(cases);
    MoveCases.addTo(cases);
    ArithmeticCases.addTo(cases);
    TileCases.addTo(cases);
    return cases.all;
  }

  void add(String text, Consumer<Assembler> calls) {
    if (all.put(text, calls) != null) {
      throw new IllegalArgumentException("twice: " + text);
    }
  }

  /** A text with an operand in the place of {@code %s}. */
  void add(String text, Address operand, Consumer<Assembler> calls) {
    add(text.formatted(text(operand)), calls);
  }

  static String text(Gp register) {
    return register.name().toLowerCase(Locale.ROOT);
  }

  /** Of the lower 32 bits. */
  static String text32(Gp register) {
    var name = text(register);
    return name.matches("r\\d+") ? name + "d" : "e" + name.substring(1);
  }

  static String text(Address address) {
    var index = address.index() == null ? "" : "+" + text(address.index()) + "*" + address.scale();
    var displacement = address.displacement() == 0 ? "" : "%+d".formatted(address.displacement());
    return "["
        + text(address.base())
        + index
        + displacement
        + "]"
        + (address.broadcast() ? "{1to16}" : "")
        + (address.mask() == Mask.K0
            ? ""
            : "{" + address.mask().name().toLowerCase(Locale.ROOT) + "}");
  }
}
