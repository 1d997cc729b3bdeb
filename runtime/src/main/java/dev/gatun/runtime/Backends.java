package dev.gatun.runtime;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

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

  static Backend open(Device device, String name, Precision precision, int threads) {
    Objects.requireNonNull(precision, "precision");
    if (threads < 0) {
      throw new IllegalArgumentException(
          "threads is " + threads + ": give a positive number, or 0 for all processors");
    }
    int team = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    var provider = name == null ? fastest(device) : named(device.kind(), name, precision);
    return provider.open(device, possible(provider, device, precision), team);
  }

  private static BackendProvider named(Device.Kind kind, String name, Precision precision) {
    var provider = provider(kind, name);
    if (!provider.precisions().contains(precision)) {
      throw new IllegalArgumentException(
          alone(provider) + ": leave that name out, or " + precision);
    }
    var reason = provider.unavailable();
    if (!reason.isEmpty()) {
      throw new UnsupportedOperationException(
          "the " + name + " backend does not work here: " + reason);
    }
    return provider;
  }

  private static BackendProvider fastest(Device device) {
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
        return provider;
      }
      reasons.add(provider.name() + ": " + reason);
    }
    throw new UnsupportedOperationException(
        "nothing can compute on " + device + " here; not " + String.join("; not ", reasons));
  }

  /** The precision, or f32 where this machine has not what it takes. */
  private static Precision possible(BackendProvider provider, Device device, Precision precision) {
    var reason = unavailable(provider, device, precision);
    if (reason.isEmpty()) {
      return precision;
    }
    sayOnce("computing in " + Precision.F32 + "; not in " + precision + ": " + reason);
    return Precision.F32;
  }

  static String unavailable(Device device, String name, Precision precision) {
    if (name == null) {
      return of(device.kind()).stream()
          .filter(provider -> provider.unavailable().isEmpty())
          .findFirst()
          .map(provider -> unavailable(provider, device, precision))
          .orElse("nothing can compute on " + device + " here");
    }
    var provider = provider(device.kind(), name);
    var reason = provider.unavailable();
    return reason.isEmpty() ? unavailable(provider, device, precision) : reason;
  }

  private static String unavailable(BackendProvider provider, Device device, Precision precision) {
    return provider.precisions().contains(precision)
        ? provider.unavailable(device, precision)
        : alone(provider);
  }

  private static String alone(BackendProvider provider) {
    var precisions =
        provider.precisions().stream()
            .sorted()
            .map(Precision::toString)
            .collect(Collectors.joining(" and "));
    return "the " + provider.name() + " backend computes in " + precisions + " alone";
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
