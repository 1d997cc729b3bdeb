package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Fused attention with cuDNN: {@code softmax(scale·q·kᵀ)·v}, on tensor cores. */
final class DnnAttention implements AutoCloseable {
  private static final int Q = 1;
  private static final int K = 2;
  private static final int V = 3;
  private static final int SCALE = 4;
  private static final int OUT = 5;
  private static final long[] IDS = {Q, K, V, SCALE, OUT};

  /**
   * What the choice of an engine depends on.
   *
   * @param n samples
   * @param heads of each
   * @param size of a head
   * @param queries of a sample
   * @param keys of a sample
   * @param qStride elements from a token to the next
   * @param kStride of the keys
   * @param vStride of the values
   * @param outStride of the result
   * @param alignment bytes that all addresses are multiples of, at most 16
   */
  record Shape(
      int n,
      int heads,
      int size,
      int queries,
      int keys,
      int qStride,
      int kStride,
      int vStride,
      int outStride,
      int alignment) {
    static Shape of(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
      long addresses = q.address() | k.address() | v.address() | out.address();
      return new Shape(
          q.dim(0),
          spec.heads(),
          q.dim(2) / spec.heads(),
          q.dim(1),
          k.dim(1),
          q.rowStride(),
          k.rowStride(),
          v.rowStride(),
          out.rowStride(),
          Math.min(16, MatmulShape.alignment(addresses)));
    }
  }

  private final DnnPlan plan;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment scale = arena.allocate(JAVA_FLOAT);
  private final long[] addresses = new long[IDS.length];

  private DnnAttention(DnnPlan plan) {
    this.plan = plan;
  }

  /**
   * Plans one.
   *
   * @return null if cuDNN has no engine for it
   */
  static DnnAttention plan(DnnTarget target, Shape shape, Engines engines) {
    var graph = new DnnGraph();
    try {
      graph.attention(
          tensor(graph, Q, shape, shape.queries(), shape.qStride()),
          tensor(graph, K, shape, shape.keys(), shape.kStride()),
          tensor(graph, V, shape, shape.keys(), shape.vStride()),
          graph.number(SCALE, 4),
          tensor(graph, OUT, shape, shape.queries(), shape.outStride()));
      var plan = graph.plan(target, engines);
      if (plan != null) {
        return new DnnAttention(plan);
      }
      graph.close();
      return null;
    } catch (RuntimeException e) {
      graph.close();
      throw e;
    }
  }

  private static Descriptor tensor(DnnGraph graph, int id, Shape shape, long tokens, long stride) {
    long[] dims = {shape.n(), shape.heads(), tokens, shape.size()};
    long[] strides = {tokens * stride, shape.size(), stride, 1};
    return graph.tensor(id, shape.alignment(), dims, strides);
  }

  /** Bytes that it needs while it runs. */
  long workspace() {
    return plan.workspace();
  }

  /**
   * Puts it into the library's stream.
   *
   * @param scratch address of {@link #workspace()} bytes
   */
  void execute(Dnn library, Tensor q, Tensor k, Tensor v, float factor, Tensor out, long scratch) {
    scale.set(JAVA_FLOAT, 0, factor);
    addresses[0] = q.address();
    addresses[1] = k.address();
    addresses[2] = v.address();
    addresses[3] = scale.address();
    addresses[4] = out.address();
    plan.execute(library, IDS, addresses, scratch);
  }

  @Override
  public void close() {
    plan.close();
    arena.close();
  }
}
