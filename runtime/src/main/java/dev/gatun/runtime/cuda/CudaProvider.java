package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;

/**
 * Says why there is no computing on a GPU: what is missing on this machine or, where nothing is,
 * that this version has no kernels for it. The driver and its bindings are loaded when somebody
 * asks, not before.
 */
public final class CudaProvider implements BackendProvider {
  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Device.Kind kind() {
    return Device.Kind.CUDA;
  }

  @Override
  public int speed() {
    return 10;
  }

  @Override
  public String unavailable() {
    return Driver.unavailable();
  }

  @Override
  public Backend open(Device device, int threads) {
    throw new UnsupportedOperationException(unavailable());
  }
}
