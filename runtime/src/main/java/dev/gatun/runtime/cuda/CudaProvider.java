package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;

/** Computing on GPUs of NVIDIA's. The driver and its bindings are loaded when somebody asks. */
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
    return Requirements.missing();
  }

  @Override
  public Backend open(Device device, int threads) {
    return Requirements.open(device);
  }
}
