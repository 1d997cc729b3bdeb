package dev.gatun.runtime;

/**
 * One recorded operator {@code out = f(x, …)} and its way back: with g the adjoint of out, {@code
 * adjoint(x) += Jᵀg} for every operand that depends on the input, and {@code adjoint(out) = 0},
 * since what these cells held before the operator has nothing to do with its result. Where out is x
 * itself, both become {@code adjoint(x) = Jᵀg}.
 */
abstract sealed class Step {
  /** A tensor that an operator was given, and its adjoint. */
  static final class Operand {
    private final Tape tape;
    private Tensor tensor;
    private Tensor adjoint;
    private boolean active;

    Operand(Tape tape) {
      this.tape = tape;
    }

    /** Null for an operand that is not there, and so does not depend on the input. */
    void set(Tensor tensor) {
      if (tensor != this.tensor) {
        this.tensor = tensor;
        adjoint = null;
      }
      active = tape.memory().isActive(tensor);
    }

    boolean isActive() {
      return active;
    }

    Tensor adjoint() {
      if (adjoint == null || !adjoint.isAlive()) {
        adjoint = tape.memory().adjoint(tensor);
      }
      return adjoint;
    }

    /** Whether it depends on the input and the operator was computed in place. */
    boolean isIn(Operand out) {
      return active && Checks.coincide(tensor, out.tensor);
    }
  }

  final Tape tape;
  final Backend backend;
  final Operand out;
  final Operand x;
  final Operand y;

  Step(Tape tape) {
    this.tape = tape;
    backend = tape.backend();
    out = new Operand(tape);
    x = new Operand(tape);
    y = new Operand(tape);
  }

  abstract void backward();

  /** {@code adjoint(operand) += factor·d}, if the operand depends on the input. */
  final void accumulate(double factor, Tensor d, Operand operand) {
    if (operand.isActive()) {
      var sum = operand.adjoint();
      if (factor == 1) {
        backend.add(sum, d, sum);
      } else {
        backend.combine(1, sum, factor, d, sum);
      }
    }
  }

  /** {@code adjoint(out) = factor·adjoint(out)}: 0 where no operand lies there. */
  final void keep(double factor) {
    if (factor != 1) {
      var g = out.adjoint();
      backend.combine(factor, g, 0, null, g);
    }
  }

  /** The last operand that passes on its adjoint as it is: {@code out = … + operand}. */
  final void passTo(Operand operand) {
    if (!operand.isIn(out)) {
      accumulate(1, out.adjoint(), operand);
      keep(0);
    }
  }

  /** {@code out = a·x + b·y + constant}. */
  static final class Sum extends Step {
    private double a;
    private double b;

    Sum(Tape tape) {
      super(tape);
    }

    void set(Tensor x, double a, Tensor y, double b) {
      this.x.set(x);
      this.y.set(y);
      this.a = (float) a;
      this.b = (float) b;
    }

    @Override
    void backward() {
      boolean xStays = x.isIn(out);
      boolean yStays = y.isIn(out);
      if (!xStays) {
        accumulate(a, out.adjoint(), x);
      }
      if (!yStays) {
        accumulate(b, out.adjoint(), y);
      }
      keep((xStays ? a : 0) + (yStays ? b : 0));
    }
  }

  /** {@code out = activation(x ∗ w) + y}, of a linear layer or a convolution. */
  static final class Product extends Step {
    private Weight weight;
    private ConvKernel kernel;
    private Conv2dSpec spec;
    private Activation activation;
    private Epilogue epilogue;
    private Epilogue withoutActivation;
    private Tensor sums;
    private Tensor input;

    Product(Tape tape) {
      super(tape);
    }

    void set(Tensor x, Weight weight, Epilogue epilogue, Tensor residual) {
      set(x, epilogue, residual);
      this.weight = weight;
    }

    void set(Tensor x, ConvKernel kernel, Conv2dSpec spec, Epilogue epilogue, Tensor residual) {
      set(x, epilogue, residual);
      this.kernel = kernel;
      this.spec = spec;
      weight = null;
    }

    private void set(Tensor x, Epilogue epilogue, Tensor residual) {
      this.x.set(x);
      y.set(residual);
      input = x;
      activation = epilogue.activation();
      if (epilogue != this.epilogue) {
        this.epilogue = epilogue;
        withoutActivation = Epilogue.bias(epilogue.bias());
      }
    }

    /** The operator, with what the activation is applied to kept for the way back. */
    void forward(Tensor residual, Tensor out) {
      boolean split = activation != Activation.IDENTITY && x.isActive();
      if (!split) {
        multiply(epilogue, residual, out);
        return;
      }
      sums = tape.keep(out);
      multiply(withoutActivation, null, sums);
      if (residual == null) {
        backend.activate(activation, sums, out);
      } else {
        var activated = tape.take(out);
        backend.activate(activation, sums, activated);
        backend.add(residual, activated, out);
        tape.releaseScratch();
      }
    }

    private void multiply(Epilogue e, Tensor residual, Tensor to) {
      if (weight != null) {
        backend.linear(input, weight, e, null, residual, to);
      } else {
        backend.conv2d(input, kernel, spec, e, residual, to);
      }
    }

    @Override
    void backward() {
      if (x.isActive()) {
        var g = out.adjoint();
        if (activation != Activation.IDENTITY) {
          var slope = tape.take(g);
          backend.activateGradient(activation, sums, g, slope);
          g = slope;
        }
        var dx = tape.take(input);
        if (weight != null) {
          backend.linearGradient(g, weight, dx);
        } else {
          backend.conv2dGradient(g, kernel, spec, dx);
        }
        accumulate(1, dx, x);
      }
      passTo(y);
    }
  }

  /** {@code out = attention(x, y, v)}. */
  static final class Attention extends Step {
    private final Operand v;
    private AttentionSpec spec;
    private Tensor queries;
    private Tensor keys;
    private Tensor values;

    Attention(Tape tape) {
      super(tape);
      v = new Operand(tape);
    }

    void set(Tensor q, Tensor k, Tensor v, AttentionSpec spec) {
      x.set(q);
      y.set(k);
      this.v.set(v);
      this.spec = spec;
      queries = tape.copyOf(q);
      keys = tape.copyOf(k);
      values = tape.copyOf(v);
    }

    @Override
    void backward() {
      var dq = tape.take(queries);
      var dk = tape.take(keys);
      var dv = tape.take(values);
      backend.attentionGradient(queries, keys, values, spec, out.adjoint(), dq, dk, dv);
      accumulate(1, dq, x);
      accumulate(1, dk, y);
      accumulate(1, dv, v);
      keep(0);
    }
  }

  /** {@code out = groupNorm(x)}. */
  static final class GroupNorm extends Step {
    private Tensor input;
    private int groups;
    private Tensor gamma;
    private Tensor beta;
    private Tensor shift;
    private Tensor scale;
    private float eps;
    private Activation activation;

    GroupNorm(Tape tape) {
      super(tape);
    }

    void set(
        Tensor x,
        int groups,
        Tensor gamma,
        Tensor beta,
        Tensor shift,
        Tensor scale,
        float eps,
        Activation activation) {
      this.x.set(x);
      this.groups = groups;
      this.gamma = gamma;
      this.beta = beta;
      this.eps = eps;
      this.activation = activation;
      input = tape.copyOf(x);
      this.shift = tape.copyOf(shift);
      this.scale = tape.copyOf(scale);
    }

    @Override
    void backward() {
      var g = out.adjoint();
      boolean stays = x.isIn(out);
      var dx = stays ? g : tape.take(g);
      backend.groupNormGradient(input, groups, gamma, beta, shift, scale, eps, activation, g, dx);
      if (!stays) {
        accumulate(1, dx, x);
        keep(0);
      }
    }
  }

  /** {@code out = activation(x)}. */
  static final class Activate extends Step {
    private Activation activation;
    private Tensor input;

    Activate(Tape tape) {
      super(tape);
    }

    void set(Activation activation, Tensor x) {
      this.activation = activation;
      this.x.set(x);
      input = tape.copyOf(x);
    }

    @Override
    void backward() {
      var g = out.adjoint();
      boolean stays = x.isIn(out);
      var dx = stays ? g : tape.take(g);
      backend.activateGradient(activation, input, g, dx);
      if (!stays) {
        accumulate(1, dx, x);
        keep(0);
      }
    }
  }

  /** {@code out = x ⊙ factor + y}. */
  static final class Scaled extends Step {
    private Tensor factor;

    Scaled(Tape tape) {
      super(tape);
    }

    void set(Tensor x, Tensor factor, Tensor y) {
      this.x.set(x);
      this.y.set(y);
      this.factor = tape.copyOf(factor);
    }

    @Override
    void backward() {
      var g = tape.take(out.adjoint());
      backend.copy(out.adjoint(), g);
      keep(0);
      accumulate(1, g, y);
      if (x.isActive()) {
        backend.multiplyAdd(g, factor, x.adjoint(), x.adjoint());
      }
    }
  }

  /** {@code out = mean of the positions of x}. */
  static final class Mean extends Step {
    private long positions;

    Mean(Tape tape) {
      super(tape);
    }

    void set(Tensor x) {
      this.x.set(x);
      positions = x.shape().rows() / Math.max(1, x.dim(0));
    }

    @Override
    void backward() {
      var share = tape.take(out.adjoint());
      backend.combine(1.0 / positions, out.adjoint(), 0, null, share);
      backend.addPerSample(x.adjoint(), share, x.adjoint());
      keep(0);
    }
  }

  /** An operator that moves or averages, and whose gradient is a multiple of another of them. */
  static final class Movement extends Step {
    enum Operator {
      UPSAMPLE,
      POOL,
      PATCHIFY,
      UNPATCHIFY,
      CHANNELS_LAST,
      CHANNELS_FIRST
    }

    private Operator operator;
    private int patch;

    Movement(Tape tape) {
      super(tape);
    }

    void set(Operator operator, int patch, Tensor x) {
      this.operator = operator;
      this.patch = patch;
      this.x.set(x);
    }

    @Override
    void backward() {
      var g = out.adjoint();
      var dx = tape.take(x.adjoint());
      switch (operator) {
        case UPSAMPLE -> backend.averagePool(g, dx);
        case POOL -> backend.upsampleNearest(g, dx);
        case PATCHIFY -> backend.unpatchify(g, patch, dx);
        case UNPATCHIFY -> backend.patchify(g, patch, dx);
        case CHANNELS_LAST -> backend.toChannelsFirst(g, dx);
        case CHANNELS_FIRST -> backend.toChannelsLast(g, dx);
      }
      double factor =
          switch (operator) {
            case UPSAMPLE -> 4;
            case POOL -> 0.25;
            case PATCHIFY, UNPATCHIFY, CHANNELS_LAST, CHANNELS_FIRST -> 1;
          };
      accumulate(factor, dx, x);
      keep(0);
    }
  }
}
