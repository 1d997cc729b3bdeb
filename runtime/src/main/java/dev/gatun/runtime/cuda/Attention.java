package dev.gatun.runtime.cuda;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Attention: with cuDNN where tensor cores may round, since it has no other engine for it; else,
 * and for windows, masks and biases, with a kernel of our own.
 */
final class Attention implements AutoCloseable {
  private final Session session;
  private final Dnn library;
  private final boolean exact;
  private final AttentionKernels own;
  private final Scratch scratch;
  private final Map<DnnAttention.Shape, Optional<DnnAttention>> plans = new HashMap<>();

  Attention(
      Session session, Dnn library, Precision precision, AttentionKernels own, Scratch scratch) {
    this.session = session;
    this.library = library;
    this.own = own;
    this.scratch = scratch;
    exact = precision == Precision.F32;
  }

  /** {@code softmax(scale·q·kᵀ + bias)·v} for each head. */
  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    if (out.shape().size() == 0) {
      return;
    }
    boolean plain = !exact && !spec.causal() && spec.windows() == null && k.dim(1) > 0;
    var plan = plain ? plan(DnnAttention.Shape.of(q, k, v, spec, out)) : null;
    if (plan == null) {
      own.attention(q, k, v, spec, out);
    } else {
      long memory = plan.workspace() == 0 ? 0 : scratch.address(plan.workspace());
      plan.execute(library, q, k, v, spec.scale(), out, memory);
    }
  }

  private DnnAttention plan(DnnAttention.Shape shape) {
    var plan = plans.get(shape);
    if (plan == null) {
      if (session.stream().isCapturing()) {
        throw new UnrecordableException("an attention has no plan yet");
      }
      // They all compile when they are planned; a network has one to three shapes.
      plan =
          Optional.ofNullable(
              DnnAttention.plan(new DnnTarget.Open(library), shape, new Engines(false, false)));
      plans.put(shape, plan);
    }
    return plan.orElse(null);
  }

  @Override
  public void close() {
    plans.values().forEach(plan -> plan.ifPresent(DnnAttention::close));
    plans.clear();
  }
}
