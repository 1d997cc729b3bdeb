package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;

/**
 * Offers the cpu backend with linear layers in bf16 where the processor has matrix tiles and the
 * system lets assembled code run. It is opened by name only: f32 is the default.
 */
public final class BrainProvider implements BackendProvider {
  private final CpuProvider f32 = new CpuProvider();

  @Override
  public String name() {
    return "bf16";
  }

  @Override
  public Device.Kind kind() {
    return Device.Kind.CPU;
  }

  /** Below the f32 one, which works wherever this one does: nobody gets it who did not ask. */
  @Override
  public int speed() {
    return 5;
  }

  @Override
  public String unavailable() {
    var missing = f32.unavailable();
    if (!missing.isEmpty()) {
      return missing;
    }
    return BrainTiles.unavailable();
  }

  @Override
  public Backend open(Device device, int threads) {
    return new CpuBackend(threads, true);
  }
}
