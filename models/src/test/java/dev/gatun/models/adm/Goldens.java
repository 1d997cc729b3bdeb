package dev.gatun.models.adm;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.Network;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.ParameterException;
import dev.gatun.models.Parameters;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/** The golden networks of ADM, loaded as they describe themselves. */
final class Goldens {
  private Goldens() {}

  /** Tensors in memory. */
  record Stored(Map<String, Tensor> tensors) implements Parameters {
    @Override
    public boolean has(String key) {
      return tensors.containsKey(key);
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      var tensor = tensors.get(key);
      if (tensor == null || !tensor.shape().equals(expected)) {
        throw new ParameterException("tensor " + key + " is " + tensor + ", not " + expected);
      }
      return use.apply(tensor);
    }
  }

  static Network network(String name, Backend backend) throws IOException {
    NetworkFamily family =
        name.startsWith("adm-classifier") ? new AdmClassifierFamily() : new AdmFamily();
    try (var checkpoint = GoldenFiles.open(name + ".model.safetensors")) {
      var json = (JsonObject) Json.parse(checkpoint.metadata().get("config"));
      var stored = new Stored(GoldenFiles.tensors(checkpoint));
      return family.load(family.describe(json), stored, backend);
    }
  }

  static Map<String, Tensor> io(String name) throws IOException {
    try (var io = GoldenFiles.open(name + ".io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  /** The inputs of one sample of a batch. */
  static Map<String, Tensor> sample(Map<String, Tensor> io, int i) {
    var inputs = new HashMap<String, Tensor>();
    io.forEach(
        (name, tensor) ->
            inputs.put(
                name,
                tensor.shape().rank() == 1 ? tensor.columns(i, i + 1) : tensor.slice(i, i + 1)));
    return inputs;
  }
}
