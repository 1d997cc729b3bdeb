package dev.gatun.runtime.cuda;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;

/**
 * Attention: where factors may be rounded to bf16, with cuDNN, which has it for 16-bit types; else,
 * and for windows, masks and biases, with a kernel of our own.
 */
final class Attention implements AutoCloseable {
  private final Session session;
  private final Dnn library;
  private final boolean rounds;
  private final Engines engines;
  private final AttentionKernels own;
  private final MovementKernels movement;
  private final Scratch scratch;
  private final PlanCache<DnnAttention.Shape, DnnAttention> plans = new PlanCache<>();

  Attention(
      Session session,
      Dnn library,
      Products products,
      AttentionKernels own,
      MovementKernels movement,
      Scratch scratch) {
    this.session = session;
    this.library = library;
    this.own = own;
    this.movement = movement;
    this.scratch = scratch;
    rounds = products == Products.BF16;
    // All of its engines compile when they are planned; a network has one to three shapes.
    engines = new Engines(false, false, session.mostWorkspace());
  }

  /** {@code softmax(scale·q·kᵀ + bias)·v} for each head. */
  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    boolean plain = rounds && !spec.causal() && spec.windows() == null && k.dim(1) > 0;
    var plan = plain ? plan(DnnAttention.Shape.of(q, k, spec)) : null;
    if (plan == null) {
      own.attention(q, k, v, spec, out);
    } else {
      rounded(plan, q, k, v, spec.scale(), out);
    }
  }

  /** With q, k, v and the result as bf16 in the scratch memory. */
  private void rounded(DnnAttention plan, Tensor q, Tensor k, Tensor v, float scale, Tensor out) {
    long queries = aligned(q.shape().size() * Short.BYTES);
    long keys = aligned(k.shape().size() * Short.BYTES);
    long q16 = scratch.address(2 * queries + 2 * keys + plan.workspace());
    long k16 = q16 + queries;
    long v16 = k16 + keys;
    long out16 = v16 + keys;
    movement.toBrain(q, q16);
    movement.toBrain(k, k16);
    movement.toBrain(v, v16);
    plan.execute(library, q16, k16, v16, scale, out16, out16 + queries);
    movement.fromBrain(out16, out);
  }

  private static long aligned(long bytes) {
    return Math.ceilDiv(bytes, 256) * 256;
  }

  private DnnAttention plan(DnnAttention.Shape shape) {
    if (!plans.has(shape)) {
      if (session.stream().isCapturing()) {
        throw new UnrecordableException("an attention has no plan yet");
      }
      plans.put(shape, DnnAttention.plan(new DnnTarget.Open(library), shape, engines));
    }
    return plans.get(shape);
  }

  @Override
  public void close() {
    plans.close();
  }
}
