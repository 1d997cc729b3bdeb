package dev.gatun.models.dit;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.models.FormulaParameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.api.Test;

/**
 * What only products read is kept in bf16 where they round to that. The results are the same
 * without it, so this looks at the memory.
 */
class DiTFactorsTest {
  private static final DiTConfig CONFIG = new DiTConfig(32, 2, 4, 256, 1, 4, 4, 3, true, true);

  @Test
  void aPassTakesLessMemory() {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.BF16);
    assumeTrue(reason.isEmpty(), "bf16 was not tested: " + reason);
    long f32 = workspaceBytes(Precision.F32);
    long bf16 = workspaceBytes(Precision.BF16);
    // Of h, u, qkv or the MLP's inner tensor all but h are half as large.
    assertTrue(bf16 < 0.75 * f32, bf16 + " bytes in bf16, " + f32 + " in f32");
  }

  private static long workspaceBytes(Precision precision) {
    try (var backend = Backend.open(Device.CPU, "cpu", precision, 1);
        var network = new DiT(CONFIG, FormulaParameters.of(CONFIG), backend);
        var workspace = backend.workspace();
        var x = backend.allocate(DType.F32, Shape.of(2, 32, 32, 4));
        var t = backend.allocate(DType.F32, Shape.of(2));
        var y = Tensor.of(Shape.of(2), 0L, 3L);
        var out = backend.allocate(DType.F32, Shape.of(2, 32, 32, 8))) {
      network.forward(x, t, y, workspace, out);
      return workspace.bytes();
    }
  }
}
