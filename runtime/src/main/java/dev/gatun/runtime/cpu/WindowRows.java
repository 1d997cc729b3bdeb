package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;

/** {@link HostMovement#windowRows} by all threads. */
final class WindowRows {
  /** Outputs that a worker takes at a time. */
  private static final int TOGETHER = 16;

  private WindowRows() {}

  /** {@code [out, in, height, width] → F32 [out, height·width·in]}, owned by the caller. */
  static Tensor of(Tensor kernel, ThreadTeam team) {
    if (kernel.dtype() != DType.F32 || !kernel.isContiguous()) {
      try (var floats = Tensor.allocate(DType.F32, kernel.shape())) {
        new Copying(team).copy(kernel, floats);
        return of(floats, team);
      }
    }
    int out = kernel.dim(0);
    int taps = Math.multiplyExact(kernel.dim(2), kernel.dim(3));
    var rows = Tensor.allocate(DType.F32, Shape.of(out, Math.multiplyExact(taps, kernel.dim(1))));
    try {
      team.run(
          (worker, workers) -> {
            for (int first; (first = team.take() * TOGETHER) < out; ) {
              HostMovement.windowRows(kernel, rows, first, Math.min(out, first + TOGETHER));
            }
          });
      return rows;
    } catch (RuntimeException | Error e) {
      rows.close();
      throw e;
    }
  }
}
