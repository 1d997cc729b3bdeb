package dev.gatun.runtime;

import java.util.List;
import java.util.stream.Stream;

/**
 * The parameters of the operator tests: the backends that work on this machine's processor or, with
 * {@code -Dgatun.test.device=cuda}, that of a GPU; its libraries are the software device's unless
 * {@code -Dgatun.test.hardware=true}.
 */
final class TestBackends {
  private static final boolean CUDA = "cuda".equals(System.getProperty("gatun.test.device"));
  private static final boolean HARDWARE = Boolean.getBoolean("gatun.test.hardware");

  private TestBackends() {}

  /** A backend and how many threads to open it with. */
  record Choice(String name, int threads) {
    Backend open() {
      return TestBackends.open(name, threads);
    }
  }

  /** Opens one of the parameters, to be called with tensors in host memory. */
  static Backend open(String name, int threads) {
    if (!name.equals("cuda")) {
      return Backend.open(Device.CPU, name, threads);
    }
    if (!HARDWARE) {
      SoftwareDevice.open();
    }
    return new MirrorBackend(Backend.open(new Device(Device.Kind.CUDA, 0), name, 1));
  }

  /** The oracle. */
  static Backend reference() {
    return Backend.open(Device.CPU, "reference", 1);
  }

  static List<String> names() {
    return CUDA ? List.of("cuda") : hostNames();
  }

  /** Those of the host alone, for what is not promised of a GPU. */
  static List<String> hostNames() {
    return Backend.names(Device.Kind.CPU).stream()
        .filter(name -> Backend.unavailable(Device.Kind.CPU, name).isEmpty())
        .toList();
  }

  /**
   * Every backend with one thread and with two; a GPU has no threads of ours. The reference is one
   * of them: it is held on views against itself on contiguous tensors.
   */
  static Stream<Choice> all() {
    return names().stream()
        .flatMap(
            name ->
                CUDA
                    ? Stream.of(new Choice(name, 1))
                    : Stream.of(new Choice(name, 1), new Choice(name, 2)));
  }
}
