package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.BackendProvider;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.Set;

/**
 * Offers {@link CpuBackend} where the Vector API is there and compiled well. This class touches no
 * vector type, so it loads where the module is absent.
 */
public final class CpuProvider implements BackendProvider {
  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public Device.Kind kind() {
    return Device.Kind.CPU;
  }

  @Override
  public int speed() {
    return 10;
  }

  @Override
  public Set<Precision> precisions() {
    return Set.of(Precision.F32, Precision.BF16, Precision.I8);
  }

  @Override
  public String unavailable() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      return "the Vector API is off; start the JVM with --add-modules jdk.incubator.vector";
    }
    var vm = System.getProperty("java.vm.name", "");
    if (!vm.contains("HotSpot") && !vm.contains("OpenJDK")) {
      return "this JVM ("
          + vm
          + ") does not compile the Vector API; use a HotSpot JVM such as Temurin";
    }
    var mode = System.getProperty("java.vm.info", "");
    if (mode.contains("interpreted")) {
      return "this JVM interprets only (" + mode + "); start it without -Xint";
    }
    if (mode.contains("emulated-client")) {
      return "this JVM has no optimising compiler ("
          + mode
          + "); start it without -XX:TieredStopAtLevel";
    }
    return "";
  }

  @Override
  public String unavailable(Device device, Precision precision) {
    return switch (precision) {
      case F32 -> "";
      case BF16 -> BrainProduct.unavailable();
      case I8 -> ByteProduct.unavailable();
    };
  }

  @Override
  public Backend open(Device device, Precision precision, int threads) {
    return new CpuBackend(threads, precision);
  }
}
