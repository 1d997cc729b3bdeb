package dev.gatun.runtime;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Finds backends by device and name, and says once why a faster one was passed over. */
final class Backends {
  private static final System.Logger LOG = System.getLogger(Backend.class.getName());
  private static final Set<String> SAID = ConcurrentHashMap.newKeySet();

  /** Loaded on first use, and then once: the providers do not change while the JVM runs. */
  private static final class Holder {
    private static final List<BackendProvider> PROVIDERS =
        ServiceLoader.load(BackendProvider.class, BackendProvider.class.getClassLoader()).stream()
            .map(ServiceLoader.Provider::get)
            .sorted(Comparator.comparingInt(BackendProvider::speed).reversed())
            .toList();
  }

  private Backends() {}

  static Backend open(Device device, String name, int threads) {
    if (threads < 0) {
      throw new IllegalArgumentException(
          "threads is " + threads + ": give a positive number, or 0 for all processors");
    }
    int team = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    if (name != null) {
      var provider = provider(device.kind(), name);
      var reason = provider.unavailable();
      if (!reason.isEmpty()) {
        throw new UnsupportedOperationException(
            "the " + name + " backend does not work here: " + reason);
      }
      return provider.open(device, team);
    }
    var reasons = new ArrayList<String>();
    for (var provider : of(device.kind())) {
      var reason = provider.unavailable();
      if (reason.isEmpty()) {
        if (!reasons.isEmpty()) {
          sayOnce(
              "computing with the "
                  + provider.name()
                  + " backend; not with "
                  + String.join("; not with ", reasons));
        }
        return provider.open(device, team);
      }
      reasons.add(provider.name() + ": " + reason);
    }
    throw new UnsupportedOperationException(
        "nothing can compute on " + device + " here; not " + String.join("; not ", reasons));
  }

  static List<String> names(Device.Kind kind) {
    return of(kind).stream().map(BackendProvider::name).toList();
  }

  static BackendProvider provider(Device.Kind kind, String name) {
    return of(kind).stream()
        .filter(p -> p.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no backend '" + name + "' for this device: there are " + names(kind)));
  }

  private static List<BackendProvider> of(Device.Kind kind) {
    return required(Holder.PROVIDERS).stream().filter(p -> p.kind() == kind).toList();
  }

  /** The reference is always there, unless somebody lost the list that names it. */
  static List<BackendProvider> required(List<BackendProvider> found) {
    if (found.isEmpty()) {
      throw new UnsupportedOperationException(
          "no backend was found, not even those of this library: a jar that was made of several"
              + " must keep META-INF/services/"
              + BackendProvider.class.getName());
    }
    return found;
  }

  private static void sayOnce(String line) {
    if (SAID.add(line)) {
      LOG.log(System.Logger.Level.WARNING, line);
    }
  }
}
