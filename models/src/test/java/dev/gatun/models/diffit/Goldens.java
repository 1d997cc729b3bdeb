package dev.gatun.models.diffit;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.GoldenFiles;
import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Map;

/** The tiny networks and what was computed with them. */
final class Goldens {
  private Goldens() {}

  static NetworkFamily family(String name) {
    return name.startsWith("diffit-image") ? new DiffiTImageFamily() : new DiffiTFamily();
  }

  static NetworkConfig config(String name) throws IOException {
    try (var checkpoint = GoldenFiles.open(name + ".model.safetensors")) {
      var json = (JsonObject) Json.parse(checkpoint.metadata().get("config"));
      return family(name).describe(json);
    }
  }

  static Map<String, Tensor> weights(String name) throws IOException {
    try (var checkpoint = GoldenFiles.open(name + ".model.safetensors")) {
      return GoldenFiles.tensors(checkpoint);
    }
  }

  static Map<String, Tensor> io(String name) throws IOException {
    try (var io = GoldenFiles.open(name + ".io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  static DiffusionNetwork network(String name, Backend backend) throws IOException {
    return network(config(name), weights(name), backend);
  }

  static DiffusionNetwork network(
      NetworkConfig config, Map<String, Tensor> weights, Backend backend) {
    var parameters = new TensorParameters(weights);
    return (DiffusionNetwork) family(config.model()).load(config, parameters, backend);
  }
}
