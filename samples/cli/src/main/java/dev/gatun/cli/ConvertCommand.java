package dev.gatun.cli;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.SafetensorsWriter;
import dev.gatun.models.checkpoint.TensorInfo;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ParseResult;

/**
 * Writes a checkpoint of any format as one safetensors file, tensor by tensor, so that no model is
 * too large. The keys stay; what was recognised of the model goes into the metadata, so that the
 * new file needs neither the old name nor a description.
 */
final class ConvertCommand implements Command {
  /** How recognition names the description that diffusers keeps beside a checkpoint. */
  private static final String BESIDE = "config.json";

  /** As much as recognition reads of a description. */
  private static final int MOST_BYTES = 1 << 20;

  private final Main main;

  ConvertCommand(Main main) {
    this.main = main;
  }

  @Override
  public CommandSpec spec() {
    return Command.spec("convert", "Write a checkpoint of any format as one safetensors file.")
        .addPositional(position(0, "IN", String.class, "A checkpoint file or folder."))
        .addPositional(
            position(
                1,
                "OUT.safetensors",
                Path.class,
                "Where it goes; a file that is there is replaced when the new one is complete."))
        .addOption(
            Command.option(
                "--dtype",
                "f32|f16|bf16",
                String.class,
                "The type of floating-point tensors. Default: as they are."))
        .addOption(Command.config())
        .addOption(Command.preset());
  }

  private static PositionalParamSpec position(
      int index, String label, Class<?> type, String description) {
    return PositionalParamSpec.builder()
        .index(Integer.toString(index))
        .arity("1")
        .required(true)
        .paramLabel(label)
        .type(type)
        .description(description)
        .build();
  }

  @Override
  public void run(ParseResult arguments) throws IOException {
    Path out = arguments.matchedPositionalValue(1, null);
    var dtype = dtype(arguments.matchedOptionValue("--dtype", null));
    PictureTarget.checkFile(out);
    try (var source = ModelSource.open(arguments.matchedPositionalValue(0, null));
        var backend = Backend.open(Device.CPU, "reference", 1)) {
      var checkpoint = source.checkpoint();
      var metadata = metadata(source, arguments);
      var infos = new ArrayList<TensorInfo>();
      for (var info : checkpoint.tensors().values()) {
        infos.add(new TensorInfo(info.key(), target(info.dtype(), dtype), info.shape()));
      }
      try (var writer = SafetensorsWriter.create(out, metadata, infos)) {
        for (var info : infos) {
          IOException failure =
              checkpoint.read(info.key(), tensor -> write(writer, info, tensor, backend));
          if (failure != null) {
            throw failure;
          }
        }
        writer.finish();
      }
      main.say("wrote " + out + ": " + infos.size() + " tensors");
    }
  }

  private static DType dtype(String name) {
    return switch (name == null ? "" : name.toLowerCase(Locale.ROOT)) {
      case "" -> null;
      case "f32" -> DType.F32;
      case "f16" -> DType.F16;
      case "bf16" -> DType.BF16;
      default ->
          throw CommandException.usage("--dtype is '" + name + "', expected f32, f16 or bf16");
    };
  }

  /** Whole numbers stay what they are. */
  private static DType target(DType found, DType wanted) {
    return wanted == null || !found.isFloating() ? found : wanted;
  }

  /** What the file carries already, and what was recognised or said. */
  private static Map<String, String> metadata(ModelSource source, ParseResult arguments)
      throws IOException {
    var metadata = new LinkedHashMap<>(source.checkpoint().metadata());
    Path description = arguments.matchedOptionValue("--config", null);
    try {
      var recognised = source.recognise(description, arguments.matchedOptionValue("--preset", ""));
      if (recognised.recipe() != null && !recognised.recipe().preset().isEmpty()) {
        metadata.put(ModelFile.PRESET, recognised.recipe().preset());
      }
      if (description != null) {
        metadata.put("config", text(description));
      } else if (recognised.origin().equals(BESIDE)) {
        metadata.put("config", text(beside(source.path())));
      }
    } catch (CheckpointException e) {
      // Any file of tensors can be converted; one that was described must be what it is said to be.
      if (description != null || arguments.hasMatchedOption("--preset")) {
        throw e;
      }
    }
    return metadata;
  }

  /** The text of a description that was recognised. */
  private static String text(Path description) throws IOException {
    if (!Files.isRegularFile(description)) {
      throw CommandException.failure(
          description + ": can be read only once, but goes into the new file; give a file instead");
    }
    var cure = "it was another one before; leave it alone meanwhile";
    return new String(TextFile.read(description, MOST_BYTES, cure), StandardCharsets.UTF_8);
  }

  /** The description that diffusers keeps in the folder of the checkpoint. */
  private static Path beside(Path source) {
    return Files.isDirectory(source)
        ? source.resolve(BESIDE)
        : source.toAbsolutePath().resolveSibling(BESIDE);
  }

  /** Returns what went wrong, since a reader of tensors throws no such exceptions. */
  private static IOException write(
      SafetensorsWriter writer, TensorInfo info, Tensor tensor, Backend backend) {
    try {
      if (tensor.dtype() == info.dtype()) {
        writer.write(info.key(), tensor);
        return null;
      }
      try (var converted = Tensor.allocate(info.dtype(), info.shape())) {
        if (tensor.dtype() == DType.F64) {
          try (var floats = Tensor.of(tensor.shape(), tensor.toFloats())) {
            backend.copy(floats, converted);
          }
        } else {
          backend.copy(tensor, converted);
        }
        requireFinite(info, tensor, converted);
        writer.write(info.key(), converted);
        return null;
      }
    } catch (IOException e) {
      return e;
    }
  }

  /** Half precision ends at 65504. */
  private static void requireFinite(TensorInfo info, Tensor tensor, Tensor converted)
      throws IOException {
    if (info.dtype() != DType.F16) {
      return;
    }
    float[] before = tensor.toFloats();
    float[] after = converted.toFloats();
    for (int i = 0; i < after.length; i++) {
      if (Float.isInfinite(after[i]) && Float.isFinite(before[i])) {
        throw new IOException(
            "tensor %s holds %s, more than f16 can; take --dtype bf16"
                .formatted(info.key(), before[i]));
      }
    }
  }
}
