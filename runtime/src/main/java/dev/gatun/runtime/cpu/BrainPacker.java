package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/** Re-lays matrices as {@link BrainWeight} has them, rounded to nearest even, with all threads. */
final class BrainPacker {
  private static final int WIDTH = BrainWeight.WIDTH;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final Copying copying;
  private final ThreadTeam.Work packing = this::pack;

  // The call that is running.
  private Tensor matrix;
  private Tensor panels;

  BrainPacker(ThreadTeam team, BrainScratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
    copying = new Copying(team);
  }

  /**
   * The panels of a matrix, owned by the caller.
   *
   * @param matrix F32, F16 or BF16 {@code [out, in]}
   */
  Tensor pack(Tensor matrix) {
    if (matrix.dtype() == DType.F16) {
      try (var wide = Tensor.allocate(DType.F32, matrix.shape())) {
        copying.copy(matrix, wide);
        return pack(wide);
      }
    }
    int count = BrainWeight.panelCount(matrix.dim(0));
    int blocks = BrainWeight.blocks(matrix.dim(1));
    panels = Tensor.allocate(DType.BF16, Shape.of(count, blocks, WIDTH * BrainWeight.DEPTH));
    this.matrix = matrix;
    if (matrix.shape().size() > 0) {
      try {
        team.run(packing);
      } catch (RuntimeException | Error e) {
        panels.close();
        throw e;
      }
    }
    return panels;
  }

  private void pack(int worker, int workers) {
    var buffers = scratch[worker];
    int out = matrix.dim(0);
    int in = matrix.dim(1);
    int blocks = BrainWeight.blocks(in);
    long rowBytes = (long) in * matrix.dtype().bytes();
    long stride = (long) blocks * BrainWeight.DEPTH * Short.BYTES;
    for (int panel; (panel = team.take()) < panels.dim(0); ) {
      int first = panel * WIDTH;
      int count = Math.min(WIDTH, out - first);
      // The matrix may be a mapped file that somebody cuts off meanwhile: Java's copy survives it.
      long stored = buffers.sums().atLeast(WIDTH * rowBytes);
      copyRows(first, count, rowBytes, buffers.sums().segment());
      long rows = buffers.staging().atLeast(WIDTH * stride);
      var a = buffers.arguments();
      BrainRows.toBlocks(matrix.dtype(), a, stored, rowBytes, rows, stride, count, in);
      buffers.staging().segment().asSlice(count * stride).fill((byte) 0);
      long to = panels.address() + panel * blocks * (long) BrainWeight.BLOCK_BYTES;
      BrainRows.transpose(a, rows, stride, to, blocks);
    }
  }

  private void copyRows(int first, int count, long rowBytes, MemorySegment to) {
    long stride = (long) matrix.rowStride() * matrix.dtype().bytes();
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(matrix.segment(), (first + i) * stride, to, i * rowBytes, rowBytes);
    }
  }
}
