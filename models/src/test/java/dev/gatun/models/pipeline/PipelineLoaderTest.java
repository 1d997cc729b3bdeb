package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import org.junit.jupiter.api.Test;

/** What a pipeline computes with, as its loader was told. */
class PipelineLoaderTest {
  private static PipelineLoader loader() {
    return ImagePipeline.bundledLoader("uvit-digits");
  }

  @Test
  void f32UnlessTold() throws Exception {
    try (var pipeline = loader().load()) {
      assertEquals(Precision.F32, pipeline.backend().precision());
    }
  }

  @Test
  void aPrecisionIsTakenWhereItIsThere() throws Exception {
    boolean there = Backend.unavailable(Device.CPU, null, Precision.BF16).isEmpty();
    try (var pipeline = loader().precision(Precision.BF16).load()) {
      assertEquals(there ? Precision.BF16 : Precision.F32, pipeline.backend().precision());
      var made = pipeline.request().count(1).steps(2).generate().parameters();
      assertEquals(there ? "bf16" : "f32", made.get("dtype"));
    }
  }

  @Test
  void aBackendHasItsOwn() throws Exception {
    try (var backend = Backend.open(Device.CPU, Precision.BF16, 1)) {
      try (var pipeline = loader().backend(backend).load()) {
        assertEquals(backend.precision(), pipeline.backend().precision());
      }
      var both = loader().backend(backend).precision(Precision.BF16);
      var e = assertThrows(IllegalArgumentException.class, () -> both.load().close());
      assertEquals(
          "the precision is that of the backend: give the loader one of them", e.getMessage());
    }
  }
}
