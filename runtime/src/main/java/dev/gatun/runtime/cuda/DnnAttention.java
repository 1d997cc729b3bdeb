package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Fused attention with cuDNN on bf16 tensors {@code [N, L, heads·size]} whose rows lie back to
 * back: {@code softmax(scale·q·kᵀ)·v}. NVIDIA documents it for 16-bit types alone.
 */
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
   */
  record Shape(int n, int heads, int size, int queries, int keys) {
    static Shape of(Tensor q, Tensor k, AttentionSpec spec) {
      return new Shape(q.dim(0), spec.heads(), q.dim(2) / spec.heads(), q.dim(1), k.dim(1));
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
    var plan = DnnGraph.plan(graph -> build(graph, shape), target, engines);
    return plan == null ? null : new DnnAttention(plan);
  }

  private static void build(DnnGraph graph, Shape shape) {
    graph.attention(
        tensor(graph, Q, shape, shape.queries()),
        tensor(graph, K, shape, shape.keys()),
        tensor(graph, V, shape, shape.keys()),
        graph.number(SCALE, 4),
        tensor(graph, OUT, shape, shape.queries()));
  }

  private static Descriptor tensor(DnnGraph graph, int id, Shape shape, long tokens) {
    long width = (long) shape.heads() * shape.size();
    long[] dims = {shape.n(), shape.heads(), tokens, shape.size()};
    long[] strides = {tokens * width, shape.size(), width, 1};
    return graph.brainTensor(id, dims, strides);
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
  void execute(Dnn library, long q, long k, long v, float factor, long out, long scratch) {
    scale.set(JAVA_FLOAT, 0, factor);
    addresses[0] = q;
    addresses[1] = k;
    addresses[2] = v;
    addresses[3] = scale.address();
    addresses[4] = out;
    plan.execute(library, IDS, addresses, scratch);
  }

  @Override
  public void close() {
    plan.close();
    arena.close();
  }
}
