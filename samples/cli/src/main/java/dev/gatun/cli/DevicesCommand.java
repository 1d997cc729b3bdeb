package dev.gatun.cli;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.DeviceException;
import dev.gatun.runtime.Precision;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** Tells what would compute here. */
final class DevicesCommand implements Command {
  private final Main main;

  DevicesCommand(Main main) {
    this.main = main;
  }

  @Override
  public CommandSpec spec() {
    return Command.spec("devices", "Show what can compute here, and why something cannot.");
  }

  @Override
  public void run(ParseResult arguments) {
    main.say(
        "machine     "
            + System.getProperty("os.name")
            + " on "
            + System.getProperty("os.arch")
            + ", "
            + Runtime.getRuntime().availableProcessors()
            + " processors");
    main.say(
        "Java        "
            + Runtime.version()
            + ", "
            + System.getProperty("java.vm.name")
            + " ("
            + System.getProperty("java.vm.vendor")
            + ")");
    boolean inUse = true;
    for (var name : Backend.names(Device.Kind.CPU)) {
      var reason = Backend.unavailable(Device.Kind.CPU, name);
      var label = label(name);
      if (!reason.isEmpty()) {
        main.say(label + "off: " + reason);
        continue;
      }
      try (var backend = Backend.open(Device.CPU, name, 0)) {
        main.say(label + (inUse ? "in use: " : "on request: ") + backend.description());
      }
      if (inUse) {
        for (var precision : List.of(Precision.BF16, Precision.I8)) {
          main.say(label(precision.toString()) + what(precision));
        }
      }
      inUse = false;
    }
    for (var name : Backend.names(Device.Kind.CUDA)) {
      var reason = Backend.unavailable(Device.Kind.CUDA, name);
      main.say(label(name) + (reason.isEmpty() ? "on request: " + cuda(name) : "off: " + reason));
    }
  }

  /** What computes in a precision on this machine's processor, or why nothing does. */
  private static String what(Precision precision) {
    var reason = Backend.unavailable(Device.CPU, null, precision);
    if (!reason.isEmpty()) {
      return "off: " + reason;
    }
    try (var backend = Backend.open(Device.CPU, precision, 0)) {
      return "on request: " + backend.description();
    }
  }

  /** What computes there, or why nothing does although nothing seemed to be missing. */
  private static String cuda(String name) {
    try (var backend = Backend.open(new Device(Device.Kind.CUDA, 0), name, 0)) {
      return backend.description();
    } catch (UnsupportedOperationException | DeviceException e) {
      return e.getMessage();
    }
  }

  private static String label(String name) {
    return name + " ".repeat(Math.max(1, 12 - name.length()));
  }
}
