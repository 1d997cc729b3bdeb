package dev.gatun.runtime;

/**
 * The part of a {@link RecordingBackend} that is not differentiated: what a backend is, and the
 * operators whose operands must be constants while a recording is on. They are passed on to another
 * backend.
 */
abstract class ConstantBackend implements Backend {
  final Backend inner;

  ConstantBackend(Backend inner) {
    this.inner = inner;
  }

  /** Whether an operand depends on the input; not if it is null. */
  abstract boolean depends(Tensor operand);

  /** Takes note of a result that does not depend on the input. */
  abstract void overwritten(Tensor out);

  /** Refuses what cannot be differentiated. */
  static void refuse(boolean depends, String what) {
    if (depends) {
      throw new UnsupportedOperationException(
          what + " depends on a watched tensor, and its gradient is not implemented");
    }
  }

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public Device device() {
    return inner.device();
  }

  @Override
  public Precision precision() {
    return inner.precision();
  }

  @Override
  public int threads() {
    return inner.threads();
  }

  @Override
  public String description() {
    return inner.description();
  }

  @Override
  public void synchronize() {
    inner.synchronize();
  }

  @Override
  public Weight pack(Tensor matrix) {
    return inner.pack(matrix);
  }

  @Override
  public ConvKernel packKernel(Tensor kernel) {
    return inner.packKernel(kernel);
  }

  @Override
  public void resizeBilinear(Tensor x, Tensor out) {
    refuse(depends(x), "resizeBilinear: x");
    inner.resizeBilinear(x, out);
    overwritten(out);
  }

  @Override
  public void embed(Tensor table, Tensor ids, Tensor out) {
    refuse(depends(table), "embed: table");
    inner.embed(table, ids, out);
    overwritten(out);
  }

  @Override
  public void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    refuse(depends(t), "timestepEmbedding: t");
    inner.timestepEmbedding(t, maxPeriod, out);
    overwritten(out);
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    refuse(depends(x) || depends(shift) || depends(scale), "layerNorm: an operand");
    inner.layerNorm(x, gamma, beta, shift, scale, eps, out);
    overwritten(out);
  }

  @Override
  public void clamp(Tensor x, double low, double high, Tensor out) {
    refuse(depends(x), "clamp: x");
    inner.clamp(x, low, high, out);
    overwritten(out);
  }

  @Override
  public void fill(Tensor out, double value) {
    inner.fill(out, value);
    overwritten(out);
  }

  @Override
  public void exp(double a, Tensor x, double b, Tensor out) {
    refuse(depends(x), "exp: x");
    inner.exp(a, x, b, out);
    overwritten(out);
  }

  @Override
  public void linearGradient(Tensor dy, Weight weight, Tensor dx) {
    refuse(depends(dy), "linearGradient: dy");
    inner.linearGradient(dy, weight, dx);
    overwritten(dx);
  }

  @Override
  public void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    refuse(depends(dy), "conv2dGradient: dy");
    inner.conv2dGradient(dy, kernel, spec, dx);
    overwritten(dx);
  }

  @Override
  public void attentionGradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    refuse(
        depends(q) || depends(k) || depends(v) || depends(dOut), "attentionGradient: an operand");
    inner.attentionGradient(q, k, v, spec, dOut, dq, dk, dv);
    overwritten(dq);
    overwritten(dk);
    overwritten(dv);
  }

  @Override
  public void groupNormGradient(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor dy,
      Tensor dx) {
    refuse(
        depends(x) || depends(shift) || depends(scale) || depends(dy),
        "groupNormGradient: an operand");
    inner.groupNormGradient(x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
    overwritten(dx);
  }

  @Override
  public void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    refuse(depends(x) || depends(dy), "activateGradient: an operand");
    inner.activateGradient(activation, x, dy, dx);
    overwritten(dx);
  }
}
