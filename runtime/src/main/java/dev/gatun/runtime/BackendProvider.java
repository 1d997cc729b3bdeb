package dev.gatun.runtime;

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

  /**
   * Why the backend does not work on this machine, with the cure, in one sentence; empty if it
   * works.
   */
  String unavailable();

  /**
   * Opens the backend.
   *
   * @param threads how many threads compute, at least 1
   */
  Backend open(Device device, int threads);
}
