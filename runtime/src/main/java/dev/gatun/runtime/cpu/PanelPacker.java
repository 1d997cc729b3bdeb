package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/** Goes with all threads through the panels of a matrix, whose rows are output features. */
final class PanelPacker {
  private static final int WIDTH = BrainWeight.WIDTH;

  private final ThreadTeam team;
  private final BrainScratch[] scratch;
  private final Copying copying;
  private final ThreadTeam.Work packing = this::pack;

  // The call that is running.
  private Tensor matrix;
  private Panel panel;

  /** What is made of some rows. */
  interface Panel {
    /**
     * Makes a panel.
     *
     * @param buffers of the thread, but for {@link BrainScratch#sums}
     * @param rows memory that begins with the rows, back to back, in f32 or what was asked for
     * @param first the first one's number in the matrix
     * @param count how many, up to {@link BrainWeight#WIDTH}
     */
    void make(BrainScratch buffers, MemorySegment rows, int first, int count);
  }

  PanelPacker(ThreadTeam team, BrainScratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
    copying = new Copying(team);
  }

  /**
   * Makes all panels.
   *
   * @param matrix {@code [out, in]} of some type
   * @param type of the rows that panels are made of
   */
  void pack(Tensor matrix, DType type, Panel panel) {
    if (matrix.dtype() != type) {
      try (var converted = Tensor.allocate(type, matrix.shape())) {
        copying.copy(matrix, converted);
        pack(converted, type, panel);
      }
    } else if (matrix.shape().size() > 0) {
      this.matrix = matrix;
      this.panel = panel;
      team.run(packing);
    }
  }

  /** The rows of a convolution's kernel, see {@link WindowRows}. */
  Tensor windowRows(Tensor kernel) {
    return WindowRows.of(kernel, team);
  }

  private void pack(int worker, int workers) {
    int out = matrix.dim(0);
    long rowBytes = (long) matrix.dim(1) * matrix.dtype().bytes();
    var buffers = scratch[worker];
    buffers.sums().atLeast(WIDTH * rowBytes);
    var rows = buffers.sums().segment();
    for (int first; (first = team.take() * WIDTH) < out; ) {
      int count = Math.min(WIDTH, out - first);
      // The matrix may be a mapped file that somebody cuts off meanwhile: Java's copy survives it.
      copyRows(first, count, rowBytes, rows);
      panel.make(buffers, rows, first, count);
    }
  }

  private void copyRows(int first, int count, long rowBytes, MemorySegment to) {
    long stride = (long) matrix.rowStride() * matrix.dtype().bytes();
    for (int i = 0; i < count; i++) {
      MemorySegment.copy(matrix.segment(), (first + i) * stride, to, i * rowBytes, rowBytes);
    }
  }
}
