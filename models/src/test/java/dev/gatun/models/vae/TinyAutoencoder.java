package dev.gatun.models.vae;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Map;

/** The autoencoder of the golden data: two levels, 32 and 64 wide, with diffusers' names. */
final class TinyAutoencoder {
  static final VaeFamily FAMILY = new VaeFamily();

  private TinyAutoencoder() {}

  static Map<String, Tensor> golden() throws IOException {
    try (var io = GoldenFiles.open("vae-tiny.io.safetensors")) {
      return GoldenFiles.tensors(io);
    }
  }

  /** The weights as the file names them. */
  static TensorParameters file() throws IOException {
    try (var checkpoint = GoldenFiles.open("vae-tiny.model.safetensors")) {
      return new TensorParameters(GoldenFiles.tensors(checkpoint));
    }
  }

  static AutoencoderKLConfig config() throws IOException {
    try (var checkpoint = GoldenFiles.open("vae-tiny.model.safetensors")) {
      return FAMILY.describe((JsonObject) Json.parse(checkpoint.metadata().get("config")));
    }
  }

  static AutoencoderKL load(Backend backend) throws IOException {
    return load(config(), file(), backend);
  }

  static AutoencoderKL load(AutoencoderKLConfig config, TensorParameters file, Backend backend) {
    var layout = FAMILY.layout(file.shapes()).orElseThrow();
    return FAMILY.load(config, layout.adapt(config, file), backend);
  }
}
