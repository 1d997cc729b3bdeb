package dev.gatun.runtime.reference;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;

/** Finds the {@link ReferenceBackend}, which works wherever Java does. */
public final class ReferenceProvider implements BackendProvider {
  /** Called by the service loader. */
  public ReferenceProvider() {}

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public Device.Kind kind() {
    return Device.Kind.CPU;
  }

  @Override
  public int speed() {
    return 0;
  }

  @Override
  public String unavailable() {
    return "";
  }

  @Override
  public Backend open(Device device, Precision precision, int threads) {
    // One thread whatever is asked for: this backend is there to be read.
    return new ReferenceBackend();
  }
}
