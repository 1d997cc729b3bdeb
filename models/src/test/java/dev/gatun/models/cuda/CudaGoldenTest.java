package dev.gatun.models.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.pipeline.ModelFile;
import dev.gatun.runtime.Tensor;
import java.util.LinkedHashMap;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every network on a GPU against what the authors' code computed with the same weights. */
@EnabledOnOs(OS.LINUX)
class CudaGoldenTest {
  private static final double TOLERANCE = 2e-5;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "adm-classifier-adaptive",
        "adm-classifier-attention",
        "adm-classifier-spatial",
        "adm-classifier-spatial_v2",
        "adm-superres-tiny",
        "adm-tiny",
        "adm-tiny-plain",
        "clip-text-tiny",
        "diffit-image-tiny",
        "diffit-image-tiny3",
        "diffit-latent-tiny",
        "dit-tiny",
        "dit-tiny-p4",
        "uvit-t2i-tiny",
        "uvit-tiny",
        "uvit-tiny-class",
        "vae-tiny"
      })
  void agreesWithTheAuthorsCode(String name) throws Exception {
    try (var backend = SoftwareCuda.open();
        var file = GoldenFiles.open(name + ".model.safetensors");
        var network = ModelFile.recognise(file, null).load(file, backend);
        var io = GoldenFiles.open(name + ".io.safetensors")) {
      var golden = GoldenFiles.tensors(io);
      var results = new LinkedHashMap<>(network.evaluate(golden));
      int compared = 0;
      for (var result : results.entrySet()) {
        var expected = golden.get(result.getKey());
        if (expected != null) {
          double error = GoldenFiles.error(expected, result.getValue());
          assertTrue(error <= TOLERANCE, name + ": " + result.getKey() + " is off by " + error);
          compared++;
        }
      }
      results.values().forEach(Tensor::close);
      assertTrue(compared > 0, name + " gives " + results.keySet() + " of " + golden.keySet());
    }
  }
}
