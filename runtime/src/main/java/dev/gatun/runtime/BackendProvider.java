package dev.gatun.runtime;

import java.util.Set;

/**
 * How a backend is found: a service of this module and of any other that brings a backend. A
 * provider is loaded on every machine, so it must not touch a class that may be missing until
 * {@link #unavailable()} has said that it is there.
 */
public interface BackendProvider {
  /** Short name of the backend, such as {@code cpu}. */
  String name();

  /** The kind of device that it serves. */
  Device.Kind kind();

  /** Order among the backends of a kind: the highest that is available is opened by default. */
  int speed();

  /** What it computes in where the hardware lets it; f32 is always among them. */
  default Set<Precision> precisions() {
    return Set.of(Precision.F32);
  }

  /**
   * Why the backend does not work on this machine, with the cure, in one sentence; empty if it
   * works.
   */
  String unavailable();

  /**
   * The same of one of its {@link #precisions}, where the backend as such works. F32 works then.
   */
  default String unavailable(Device device, Precision precision) {
    return "";
  }

  /**
   * Opens the backend.
   *
   * @param precision one that is available
   * @param threads how many threads compute, at least 1
   */
  Backend open(Device device, Precision precision, int threads);
}
