package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.Set;

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
  public Set<Precision> precisions() {
    return Set.of(Precision.F32, Precision.BF16);
  }

  @Override
  public String unavailable() {
    return Requirements.missing();
  }

  @Override
  public String unavailable(Device device, Precision precision) {
    return Requirements.missing(device, precision);
  }

  @Override
  public Backend open(Device device, Precision precision, int threads) {
    return Requirements.open(device, precision);
  }
}
