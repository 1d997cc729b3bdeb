package dev.gatun.cli;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** Evaluates a network once, so that it can be held against another implementation. */
final class ForwardCommand implements Command {
  private static final List<String> INPUTS =
      List.of("x", "t", "y", "context", "low_res", "ids", "z");

  /** Inputs that count something; all others are numbers. */
  private static final Set<String> INDICES = Set.of("y", "ids");

  private final Main main;

  ForwardCommand(Main main) {
    this.main = main;
  }

  @Override
  public CommandSpec spec() {
    var spec =
        Command.spec("forward", "Evaluate a network once on the tensors of a file: x (NCHW), t, y.")
            .addOption(
                required(
                    "--weights",
                    "FILE",
                    String.class,
                    "The checkpoint, or the name of a bundled model."))
            .addOption(Command.config())
            .addOption(Command.preset())
            .addOption(required("--in", "IN.safetensors", Path.class, "The inputs."))
            .addOption(
                required(
                    "--out",
                    "OUT.safetensors",
                    Path.class,
                    "Where the outputs go; a file that is there is replaced."));
    ComputeOptions.addTo(spec);
    return spec;
  }

  private static OptionSpec required(String name, String label, Class<?> type, String description) {
    return Command.option(name, label, type, description).toBuilder().required(true).build();
  }

  @Override
  public void run(ParseResult arguments) throws IOException {
    Path out = arguments.matchedOptionValue("--out", null);
    var folder = out.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder)) {
      throw CommandException.failure(out + ": there is no folder " + folder + "; make it first");
    }
    var tensors = new LinkedHashMap<String, Tensor>();
    try (var source = ModelSource.open(arguments.matchedOptionValue("--weights", null));
        var inputs = Checkpoint.open(arguments.<Path>matchedOptionValue("--in", null));
        var backend = ComputeOptions.open(arguments, source::storedPrecision);
        var network =
            source
                .recognise(
                    arguments.matchedOptionValue("--config", null),
                    arguments.matchedOptionValue("--preset", ""))
                .load(source.checkpoint(), backend)) {
      read(inputs, tensors);
      var outputs = new TreeMap<String, Tensor>();
      try {
        outputs.putAll(network.evaluate(tensors));
      } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
        throw CommandException.failure(inputs.name() + ": " + e.getMessage());
      }
      try {
        SafetensorsWriter.write(out, Map.of("model", network.config().name()), outputs);
        outputs.forEach(
            (name, tensor) ->
                main.say(
                    "wrote " + out + ": " + name + " " + tensor.dtype() + " " + tensor.shape()));
      } finally {
        outputs.values().forEach(Tensor::close);
      }
    } finally {
      tensors.values().forEach(Tensor::close);
    }
  }

  private static void read(Checkpoint inputs, Map<String, Tensor> tensors) throws IOException {
    for (var name : INPUTS) {
      var info = inputs.tensors().get(name);
      if (info == null) {
        continue;
      }
      if (INDICES.contains(name) && isFloat(info.dtype())) {
        throw CommandException.failure(
            inputs.name() + ": tensor " + name + " is " + info.dtype() + ", expected I64");
      }
      tensors.put(
          name,
          inputs.read(name, tensor -> INDICES.contains(name) ? indices(tensor) : numbers(tensor)));
    }
  }

  private static boolean isFloat(DType dtype) {
    return switch (dtype) {
      case F64, F32, F16, BF16 -> true;
      case I64, I32, I16, I8, U8, BOOL -> false;
    };
  }

  private static Tensor numbers(Tensor tensor) {
    return Tensor.of(tensor.shape(), tensor.toFloats());
  }

  private static Tensor indices(Tensor tensor) {
    var copy = Tensor.allocate(DType.I64, tensor.shape());
    for (long i = 0; i < tensor.shape().size(); i++) {
      copy.setLong(i, tensor.getLong(i));
    }
    return copy;
  }
}
