package dev.gatun.runtime;

import java.util.List;
import java.util.stream.Stream;

/** The backends that work on this machine's processor: the parameters of the operator tests. */
final class TestBackends {
  private TestBackends() {}

  /** A backend and how many threads to open it with. */
  record Choice(String name, int threads) {
    Backend open() {
      return Backend.open(Device.CPU, name, threads);
    }
  }

  /** The oracle. */
  static Backend reference() {
    return Backend.open(Device.CPU, "reference", 1);
  }

  static List<String> names() {
    return Backend.names(Device.Kind.CPU).stream()
        .filter(name -> Backend.unavailable(Device.Kind.CPU, name).isEmpty())
        .toList();
  }

  /**
   * Every backend with one thread and with two. The reference is one of them: it is held on views
   * against itself on contiguous tensors.
   */
  static Stream<Choice> all() {
    return names().stream().flatMap(name -> Stream.of(new Choice(name, 1), new Choice(name, 2)));
  }
}
