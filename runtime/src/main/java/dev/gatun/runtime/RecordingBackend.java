package dev.gatun.runtime;

/**
 * A backend that computes with another one, and can go back: the gradient of what was computed with
 * respect to an input, weights being constants. Networks need not know of it.
 *
 * <pre>{@code
 * var recorder = new RecordingBackend(backend); // the network computes and allocates through it
 * recorder.watch(x);                            // from here on operators are recorded
 * network.forward(x, …, y);
 * recorder.backward(y, dy);                     // dy = ∂loss/∂y
 * recorder.gradient(x, dx);                     // dx = ∂loss/∂x
 * recorder.clear();                             // back to a plain backend, until the next watch
 * }</pre>
 *
 * <p>This is automatic differentiation in reverse (Griewank and Walther, "Evaluating Derivatives",
 * 2008) with an adjoint for each cell of memory rather than for each tensor: every region that the
 * recorder has allocated, workspaces included, has a shadow, and an operator that overwrites a cell
 * ends the life of its adjoint. So views, operators in place and memory that a workspace hands out
 * again need no care. What an operator's way back needs of its operands is copied when the operator
 * is recorded. A pass like the one before allocates nothing.
 *
 * <p>Recorded are {@code linear} (without gate), {@code conv2d}, {@code attention} (without
 * windows), {@code groupNorm}, {@code activate}, {@code add}, {@code addPerSample}, {@code
 * combine}, {@code multiplyAdd} by a constant factor, {@code copy}, {@code patchify}, {@code
 * unpatchify}, {@code toChannelsLast}, {@code toChannelsFirst}, {@code upsampleNearest}, {@code
 * averagePool} and {@code meanOfPositions}, where what modulates (shift, scale, a y that is
 * repeated over rows) does not depend on the input. Another operator on what depends on the input
 * throws {@link UnsupportedOperationException} and computes nothing; on anything else, every
 * operator is passed on as it is. A result that depends on the input must lie in memory from {@link
 * #allocate}, or {@link IllegalArgumentException} is thrown.
 *
 * <p>Between {@link #watch} and {@link #backward}, tensors must be written by operators of the
 * recorder alone, and the parameters of layers must stay the same until {@link #clear}.
 */
public final class RecordingBackend extends ConstantBackend {
  private final RecordedMemory memory;
  private final Tape tape;
  private boolean recording;

  /**
   * A recorder around a backend, which stays its owner's: {@link #close} frees what the recorder
   * holds, and leaves the backend open.
   */
  public RecordingBackend(Backend inner) {
    super(inner);
    memory = new RecordedMemory(inner);
    tape = new Tape(inner, memory);
  }

  /**
   * Begins to record, or goes on, with a tensor as an input of the gradient.
   *
   * @param x F32, of any memory of the device
   */
  public void watch(Tensor x) {
    OperatorChecks.floats("watch", "x", x, device());
    memory.watch(x);
    recording = true;
  }

  /**
   * Ends the recording and goes back through it: the gradient of {@code Σ dy ⊙ y} with respect to
   * every watched tensor. May be called again, with another dy.
   *
   * @param y a result of the recording, not overwritten since
   * @param dy the shape of y, of any memory of the device
   * @throws IllegalArgumentException if y does not depend on a watched tensor
   */
  public void backward(Tensor y, Tensor dy) {
    OperatorChecks.floats("backward", "y", y, device());
    OperatorChecks.floats("backward", "dy", dy, device());
    Checks.same("backward", "dy", dy, y.shape());
    if (!memory.isActive(y)) {
      throw new IllegalArgumentException(
          "backward: y (" + y + ") does not depend on a watched tensor; watch the input first");
    }
    recording = false;
    tape.backward(y, dy);
  }

  /**
   * The gradient with respect to a watched tensor, after {@link #backward}.
   *
   * @param x the watched tensor, or a view of it
   * @param dx the shape of x, of any memory of the device
   * @throws IllegalArgumentException if x was not watched
   */
  public void gradient(Tensor x, Tensor dx) {
    OperatorChecks.floats("gradient", "x", x, device());
    OperatorChecks.floats("gradient", "dx", dx, device());
    Checks.same("gradient", "dx", dx, x.shape());
    if (!memory.contains(x)) {
      throw new IllegalArgumentException("gradient: x (" + x + ") was not watched");
    }
    tape.gradient(x, dx);
  }

  /** Forgets the recording, but keeps its memory for the next one. */
  public void clear() {
    recording = false;
    memory.forget();
    tape.clear();
  }

  /** Frees what the recorder holds; the backend that it computes with stays open. */
  @Override
  public void close() {
    recording = false;
    tape.close();
    memory.close();
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    var tensor = inner.allocate(dtype, shape);
    memory.add(tensor);
    return tensor;
  }

  // ----------------------------------------------------------------------------------------
  // what is recorded

  /** While a recording is on. */
  @Override
  boolean depends(Tensor operand) {
    return recording && memory.isActive(operand);
  }

  /** Requires that a result's adjoint has a place. */
  private void requireOwn(String operator, Tensor out) {
    if (out != null && out.isAlive() && !memory.contains(out)) {
      throw new IllegalArgumentException(
          operator
              + ": out ("
              + out
              + ") depends on a watched tensor, so it must be allocated by the recording backend");
    }
  }

  private void requireOwn(String operator, Tensor x, Tensor out) {
    if (depends(x)) {
      requireOwn(operator, out);
    }
  }

  @Override
  void overwritten(Tensor out) {
    if (recording) {
      tape.overwritten(out);
    }
  }

  private Step.Sum sum(String operator, Tensor x, double a, Tensor y, double b, Tensor out) {
    requireOwn(operator, out);
    var step = tape.next(Step.Sum.class, Step.Sum::new);
    step.set(x, a, y, b);
    return step;
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    if (!depends(from)) {
      inner.copy(from, to);
      overwritten(to);
      return;
    }
    refuse(to != null && to.dtype() != DType.F32, "copy: a result that is not F32");
    var step = sum("copy", from, 1, null, 0, to);
    inner.copy(from, to);
    tape.push(step, to);
  }

  @Override
  public void add(Tensor x, Tensor y, Tensor out) {
    if (!depends(x) && !depends(y)) {
      inner.add(x, y, out);
      overwritten(out);
      return;
    }
    refuse(depends(y) && repeats(y, out), "add: a y with fewer rows");
    var step = sum("add", x, 1, y, 1, out);
    inner.add(x, y, out);
    tape.push(step, out);
  }

  private static boolean repeats(Tensor operand, Tensor out) {
    return out != null && operand.shape().rows() != out.shape().rows();
  }

  @Override
  public void addPerSample(Tensor x, Tensor y, Tensor out) {
    refuse(depends(y), "addPerSample: y");
    if (!depends(x)) {
      inner.addPerSample(x, y, out);
      overwritten(out);
      return;
    }
    var step = sum("addPerSample", x, 1, null, 0, out);
    inner.addPerSample(x, y, out);
    tape.push(step, out);
  }

  @Override
  public void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    if (!depends(x) && !depends(y)) {
      inner.combine(a, x, b, y, out);
      overwritten(out);
      return;
    }
    var step = sum("combine", x, a, y, b, out);
    inner.combine(a, x, b, y, out);
    tape.push(step, out);
  }

  @Override
  public void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    boolean ofX = depends(x);
    boolean ofY = depends(y);
    refuse(ofX && ofY, "multiplyAdd: each factor");
    if (!ofX && !ofY && !depends(z)) {
      inner.multiplyAdd(x, y, z, out);
      overwritten(out);
      return;
    }
    requireOwn("multiplyAdd", out);
    var step = tape.next(Step.Scaled.class, Step.Scaled::new);
    step.set(ofY ? y : x, ofY ? x : y, z);
    inner.multiplyAdd(x, y, z, out);
    tape.push(step, out);
  }

  @Override
  public void linear(
      Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    boolean ofX = depends(x);
    boolean ofResidual = depends(residual);
    refuse(depends(gate), "linear: gate");
    refuse(ofX && gate != null, "linear: x of a layer with a gate");
    refuse(ofResidual && repeats(residual, out), "linear: a residual with fewer rows");
    if (!ofX) {
      if (!ofResidual) {
        inner.linear(x, weight, epilogue, gate, residual, out);
        overwritten(out);
        return;
      }
      var step = sum("linear", residual, 1, null, 0, out);
      inner.linear(x, weight, epilogue, gate, residual, out);
      tape.push(step, out);
      return;
    }
    requireOwn("linear", out);
    OperatorChecks.linear(device(), factorType(), x, weight, epilogue, gate, residual, out);
    var step = tape.next(Step.Product.class, Step.Product::new);
    step.set(x, weight, epilogue, residual);
    step.forward(residual, out);
    tape.push(step, out);
  }

  @Override
  public void conv2d(
      Tensor x,
      ConvKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    if (!depends(x)) {
      if (!depends(residual)) {
        inner.conv2d(x, kernel, spec, epilogue, residual, out);
        overwritten(out);
        return;
      }
      var step = sum("conv2d", residual, 1, null, 0, out);
      inner.conv2d(x, kernel, spec, epilogue, residual, out);
      tape.push(step, out);
      return;
    }
    requireOwn("conv2d", out);
    FeatureMapChecks.conv2d(device(), x, kernel, spec, epilogue, residual, out);
    var step = tape.next(Step.Product.class, Step.Product::new);
    step.set(x, kernel, spec, epilogue, residual);
    step.forward(residual, out);
    tape.push(step, out);
  }

  @Override
  public void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    if (!depends(q) && !depends(k) && !depends(v)) {
      inner.attention(q, k, v, spec, out);
      overwritten(out);
      return;
    }
    refuse(spec != null && spec.windows() != null, "attention: an operand in windows");
    requireOwn("attention", out);
    OperatorChecks.attention(device(), factorType(), q, k, v, spec, out);
    var step = tape.next(Step.Attention.class, Step.Attention::new);
    step.set(q, k, v, spec);
    inner.attention(q, k, v, spec, out);
    tape.push(step, out);
  }

  @Override
  public void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out) {
    refuse(depends(shift) || depends(scale), "groupNorm: shift or scale");
    if (!depends(x)) {
      inner.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
      overwritten(out);
      return;
    }
    requireOwn("groupNorm", out);
    FeatureMapChecks.groupNorm(
        device(), x, groups, gamma, beta, shift, scale, eps, activation, out);
    var step = tape.next(Step.GroupNorm.class, Step.GroupNorm::new);
    step.set(x, groups, gamma, beta, shift, scale, eps, activation);
    inner.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
    tape.push(step, out);
  }

  @Override
  public void activate(Activation activation, Tensor x, Tensor out) {
    if (!depends(x)) {
      inner.activate(activation, x, out);
      overwritten(out);
      return;
    }
    requireOwn("activate", out);
    var step = tape.next(Step.Activate.class, Step.Activate::new);
    step.set(activation, x);
    inner.activate(activation, x, out);
    tape.push(step, out);
  }

  @Override
  public void meanOfPositions(Tensor x, Tensor out) {
    if (!depends(x)) {
      inner.meanOfPositions(x, out);
      overwritten(out);
      return;
    }
    requireOwn("meanOfPositions", out);
    var step = tape.next(Step.Mean.class, Step.Mean::new);
    step.set(x);
    inner.meanOfPositions(x, out);
    tape.push(step, out);
  }

  @Override
  public void upsampleNearest(Tensor x, Tensor out) {
    requireOwn("upsampleNearest", x, out);
    inner.upsampleNearest(x, out);
    moved(Step.Movement.Operator.UPSAMPLE, 0, x, out);
  }

  @Override
  public void averagePool(Tensor x, Tensor out) {
    requireOwn("averagePool", x, out);
    inner.averagePool(x, out);
    moved(Step.Movement.Operator.POOL, 0, x, out);
  }

  @Override
  public void patchify(Tensor x, int patch, Tensor out) {
    requireOwn("patchify", x, out);
    inner.patchify(x, patch, out);
    moved(Step.Movement.Operator.PATCHIFY, patch, x, out);
  }

  @Override
  public void unpatchify(Tensor x, int patch, Tensor out) {
    requireOwn("unpatchify", x, out);
    inner.unpatchify(x, patch, out);
    moved(Step.Movement.Operator.UNPATCHIFY, patch, x, out);
  }

  @Override
  public void toChannelsLast(Tensor nchw, Tensor out) {
    requireOwn("toChannelsLast", nchw, out);
    inner.toChannelsLast(nchw, out);
    moved(Step.Movement.Operator.CHANNELS_LAST, 0, nchw, out);
  }

  @Override
  public void toChannelsFirst(Tensor nhwc, Tensor out) {
    requireOwn("toChannelsFirst", nhwc, out);
    inner.toChannelsFirst(nhwc, out);
    moved(Step.Movement.Operator.CHANNELS_FIRST, 0, nhwc, out);
  }

  /** After an operator that moves x to other memory. */
  private void moved(Step.Movement.Operator operator, int patch, Tensor x, Tensor out) {
    if (!depends(x)) {
      overwritten(out);
      return;
    }
    var step = tape.next(Step.Movement.class, Step.Movement::new);
    step.set(operator, patch, x);
    tape.push(step, out);
  }
}
