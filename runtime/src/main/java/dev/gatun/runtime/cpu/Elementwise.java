package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The pointwise operators on tensors: chunks are brought into the first-level cache, computed there
 * by {@link Pointwise}, and written back. A view on some columns is gathered and scattered element
 * by element, so a chunk is always long, however few the columns are.
 */
final class Elementwise implements ThreadTeam.Work {
  private static final int CHUNK = 2048;

  /** Fewer elements than this are not worth waking a thread. */
  private static final int SHARED = 16 * CHUNK;

  private enum Operation {
    ACTIVATE,
    ACTIVATE_GRADIENT,
    ADD,
    MULTIPLY_ADD,
    SCALE,
    COMBINE,
    CLAMP,
    EXP
  }

  private final ThreadTeam team;
  private final Scratch[] scratch;

  // The call that is running.
  private Operation operation;
  private Activation activation;
  private float a;
  private float b;
  private Tensor x;
  private Tensor y;
  private Tensor z;
  private Tensor out;

  Elementwise(ThreadTeam team, Scratch[] scratch) {
    this.team = team;
    this.scratch = scratch;
  }

  void activate(Activation f, Tensor x, Tensor out) {
    activation = f;
    run(Operation.ACTIVATE, 0, 0, x, null, null, out);
  }

  void activateGradient(Activation f, Tensor x, Tensor dy, Tensor dx) {
    activation = f;
    run(Operation.ACTIVATE_GRADIENT, 0, 0, x, dy, null, dx);
  }

  void add(Tensor x, Tensor y, Tensor out) {
    run(Operation.ADD, 0, 0, x, y, null, out);
  }

  void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    run(Operation.MULTIPLY_ADD, 0, 0, x, y, z, out);
  }

  void combine(float a, Tensor x, float b, Tensor y, Tensor out) {
    run(y == null ? Operation.SCALE : Operation.COMBINE, a, b, x, y, null, out);
  }

  void clamp(Tensor x, float low, float high, Tensor out) {
    run(Operation.CLAMP, low, high, x, null, null, out);
  }

  void exp(float a, Tensor x, float b, Tensor out) {
    run(Operation.EXP, a, b, x, null, null, out);
  }

  private void run(Operation op, float a, float b, Tensor x, Tensor y, Tensor z, Tensor out) {
    operation = op;
    this.a = a;
    this.b = b;
    this.x = x;
    this.y = y;
    this.z = z;
    this.out = out;
    if (out.shape().size() < SHARED) {
      run(0, 1);
    } else {
      team.run(this);
    }
  }

  @Override
  public void run(int worker, int workers) {
    long size = out.shape().size();
    int chunks = Math.toIntExact(Math.ceilDiv(size, CHUNK));
    float[] p = scratch[worker].floats(0, CHUNK);
    float[] q = scratch[worker].floats(1, CHUNK);
    float[] r = scratch[worker].floats(2, CHUNK);
    int end = ThreadTeam.begin(chunks, worker + 1, workers);
    for (int chunk = ThreadTeam.begin(chunks, worker, workers); chunk < end; chunk++) {
      long first = (long) chunk * CHUNK;
      int count = (int) Math.min(CHUNK, size - first);
      load(x, first, count, p);
      if (y != null) {
        load(y, first, count, q);
      }
      if (z != null) {
        load(z, first, count, r);
      }
      switch (operation) {
        case ACTIVATE -> Pointwise.activate(activation, p, 0, count, q);
        case ACTIVATE_GRADIENT -> {
          Slopes.slope(activation, p, count, r);
          Pointwise.multiply(p, q, count);
        }
        case ADD -> Pointwise.add(p, q, count);
        case MULTIPLY_ADD -> Pointwise.multiplyAdd(p, q, r, count);
        case SCALE -> Pointwise.scale(a, p, count);
        case COMBINE -> Pointwise.combine(a, p, b, q, count);
        case CLAMP -> Pointwise.clamp(p, a, b, count);
        case EXP -> Pointwise.exp(a, p, b, count, q);
      }
      store(p, first, count, out);
    }
  }

  /**
   * Elements {@code first … first + count - 1} in row-major order, beginning anew after the last
   * row.
   */
  private static void load(Tensor from, long first, int count, float[] to) {
    var memory = from.segment();
    if (from.isContiguous() && first + count <= from.shape().size()) {
      MemorySegment.copy(memory, Tensor.FLOAT, first * Float.BYTES, to, 0, count);
      return;
    }
    int columns = from.shape().cols();
    int stride = from.rowStride();
    long rows = from.shape().rows();
    long row = first / columns % rows;
    int column = (int) (first % columns);
    for (int i = 0; i < count; i++) {
      to[i] = memory.get(Tensor.FLOAT, (row * stride + column) * Float.BYTES);
      if (++column == columns) {
        column = 0;
        row = row + 1 == rows ? 0 : row + 1;
      }
    }
  }

  private static void store(float[] from, long first, int count, Tensor to) {
    var memory = to.segment();
    if (to.isContiguous()) {
      MemorySegment.copy(from, 0, memory, Tensor.FLOAT, first * Float.BYTES, count);
      return;
    }
    int columns = to.shape().cols();
    int stride = to.rowStride();
    long row = first / columns;
    int column = (int) (first % columns);
    for (int i = 0; i < count; i++) {
      memory.set(Tensor.FLOAT, (row * stride + column) * Float.BYTES, from[i]);
      if (++column == columns) {
        column = 0;
        row++;
      }
    }
  }
}
