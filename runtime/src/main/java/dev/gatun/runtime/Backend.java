package dev.gatun.runtime;

import java.util.List;

/**
 * The operator contract: what a device must be able to compute so that every network and sampler
 * runs on it.
 *
 * <p>Operators are the fused ones that diffusion networks need, not a tensor algebra. They write
 * into a tensor that the caller provides, so memory is planned by the caller ({@link Workspace})
 * and a denoising step allocates nothing.
 *
 * <h2>Rules for every operator</h2>
 *
 * <ul>
 *   <li><b>Layout.</b> Channels last: {@code [N, L, C]} or {@code [N, H, W, C]}. Where a formula
 *       says "row", it means the last axis, and the leading axes are one: an operator on {@code
 *       [rows, C]} takes any rank. Every operand may be a view on some columns ({@link
 *       Tensor#columns}); concatenation is two {@link #copy copies} into such views.
 *   <li><b>Types.</b> Tensors are {@link DType#F32} and indices {@link DType#I64} unless the
 *       operator says otherwise. Sums are accumulated in f32 or wider.
 *   <li><b>Aliasing.</b> {@code out} may be the very tensor of another operand only where the
 *       operator says so; otherwise their memory must not overlap.
 *   <li><b>Errors.</b> A wrong shape, type or device throws {@link IllegalArgumentException}, a
 *       closed tensor {@link IllegalStateException}; the message names operator, operand, expected
 *       and found. Nothing is written then. Where a device itself fails, {@link DeviceException}.
 *   <li><b>Bits.</b> On the reference and cpu backends a row of the result has the same bits for
 *       any number of threads and for any batch that it is part of.
 *   <li><b>Threads.</b> A backend and the tensors made with it serve one caller at a time; it
 *       spreads the work over its own threads. An interrupt does not stop an operator; loops look
 *       for it between steps.
 * </ul>
 *
 * <h2>Gradients</h2>
 *
 * <p>An operator named {@code …Gradient} is the vector–Jacobian product of another with respect to
 * what it computes on; weights are constants. It is given the gradient {@code dy} of the result and
 * overwrites the gradient {@code dx} of the operand; what else it needs it computes anew from the
 * operands. {@link RecordingBackend} strings them together. Products of operators that only move or
 * average need none of their own: the gradient of {@link #upsampleNearest} is four times {@link
 * #averagePool}, and the other way round.
 */
public interface Backend extends AutoCloseable {
  /**
   * Opens the best backend for a device: the first that works here, in falling order of speed.
   * Which one it is, and why not a faster one, goes to the log once.
   *
   * @throws UnsupportedOperationException if the device has none; the message says why
   */
  static Backend open(Device device) {
    return open(device, Precision.F32, 0);
  }

  /**
   * Opens a backend by name.
   *
   * @param name {@code cpu}, {@code reference} or {@code cuda}; null for the best
   * @param threads how many threads compute; 0 for as many as the machine has processors
   * @throws IllegalArgumentException if the device has no backend of that name
   * @throws UnsupportedOperationException if it does not work on this machine; the message says why
   */
  static Backend open(Device device, String name, int threads) {
    return open(device, name, Precision.F32, threads);
  }

  /** {@link #open(Device, String, Precision, int)} of the best backend. */
  static Backend open(Device device, Precision precision, int threads) {
    return open(device, null, precision, threads);
  }

  /**
   * Opens a backend that computes in a precision. Where this machine cannot, it computes in f32,
   * and the log says why, once.
   *
   * @throws IllegalArgumentException also if the backend of that name never computes in it
   * @see #open(Device, String, int)
   */
  static Backend open(Device device, String name, Precision precision, int threads) {
    return Backends.open(device, name, precision, threads);
  }

  /**
   * The names of the backends of a device, fastest first, whether they work on this machine or not.
   */
  static List<String> names(Device.Kind kind) {
    return Backends.names(kind);
  }

  /** Why a backend does not work on this machine, with the cure, or an empty string if it does. */
  static String unavailable(Device.Kind kind, String name) {
    return Backends.provider(kind, name).unavailable();
  }

  /**
   * Why a backend does not compute in a precision on this machine, with the cure, or an empty
   * string if it does.
   *
   * @param name of the backend; null for the best
   */
  static String unavailable(Device device, String name, Precision precision) {
    return Backends.unavailable(device, name, precision);
  }

  /** Short name, as {@link #open(Device, String, int)} takes it. */
  String name();

  /** Where it computes. */
  Device device();

  /** What it computes in, whatever was asked for. */
  Precision precision();

  /**
   * The type that a tensor may have if only products read it: as linear's {@code x}, as attention's
   * {@code q}, {@code k} and {@code v}. BF16 where products round to that anyway, so results have
   * the same bits, or to bytes; half as many bytes go through memory. {@link Workspace#takeFactor}
   * takes such tensors.
   */
  default DType factorType() {
    return DType.F32;
  }

  /** How many threads compute. */
  int threads();

  /** What it computes with, for people: instruction set, vector width, threads. */
  String description();

  /** A new tensor of zeros on this device, owned by the caller. */
  Tensor allocate(DType dtype, Shape shape);

  /** A new, empty workspace on this device, owned by the caller. */
  default Workspace workspace() {
    return new Workspace(this);
  }

  /**
   * Prepares work that will be run again and again: each time the same operators in the same order,
   * on the same tensors and with the same numbers, so that only what the tensors hold differs. A
   * backend may record it, and then replay the record instead of calling {@code work}.
   *
   * @param work calls operators of this backend; what it takes from a {@link Workspace} must be the
   *     same at every run, and free again when it ends
   * @return the work, owned by the caller
   */
  default Replay replay(Runnable work) {
    return work::run;
  }

  /**
   * Waits until everything that was asked for is done; what failed meanwhile is thrown here. Only
   * clocks need it: {@link #copy} to host memory waits by itself.
   *
   * @throws DeviceException if it failed
   */
  default void synchronize() {}

  /**
   * Re-lays the matrix of a linear layer for {@link #linear}; done once at load.
   *
   * @param matrix F32, F16 or BF16 {@code [out, in]} in host memory, not referred to afterwards
   * @return the weight, owned by the caller
   */
  Weight pack(Tensor matrix);

  /**
   * Re-lays the kernel of a convolution for {@link #conv2d}; done once at load.
   *
   * @param kernel F32, F16 or BF16 {@code [out, in, height, width]} in host memory, not referred to
   *     afterwards
   * @return the kernel, owned by the caller
   */
  ConvKernel packKernel(Tensor kernel);

  // ----------------------------------------------------------------------------------------
  // movement

  /**
   * {@code to = from}, row by row, between any devices, with conversion between F32, F16 and BF16
   * (round to nearest even); I64 is copied to I64 only. The shapes need only agree in rows and
   * columns.
   */
  void copy(Tensor from, Tensor to);

  /** {@code [N, C, H, W] → [N, H, W, C]}, at the border to checkpoints and users. */
  void toChannelsLast(Tensor nchw, Tensor out);

  /** {@code [N, H, W, C] → [N, C, H, W]}, at the border to users. */
  void toChannelsFirst(Tensor nhwc, Tensor out);

  /**
   * Cuts a feature map into square patches: {@code [N, H, W, C] → [N, (H/p)(W/p), p·p·C]}. Patches
   * are in row-major order; inside a patch the order is (row, column, channel), channel fastest.
   */
  void patchify(Tensor x, int patch, Tensor out);

  /** The inverse of {@link #patchify}: {@code [N, (H/p)(W/p), p·p·C] → [N, H, W, C]}. */
  void unpatchify(Tensor x, int patch, Tensor out);

  /**
   * Doubles height and width by repetition: {@code out[n, 2i+a, 2j+b] = x[n, i, j]}.
   *
   * @param x {@code [N, H, W, C]}
   * @param out {@code [N, 2H, 2W, C]}
   */
  void upsampleNearest(Tensor x, Tensor out);

  /**
   * Halves height and width: {@code out[n, i, j]} is the mean of the 2×2 block {@code x[n, 2i…,
   * 2j…]}.
   *
   * @param x {@code [N, H, W, C]}, H and W even
   * @param out {@code [N, H/2, W/2, C]}
   */
  void averagePool(Tensor x, Tensor out);

  /**
   * Bilinear interpolation to another size, as {@code torch.nn.functional.interpolate} with {@code
   * align_corners=False} and no antialiasing: along each axis {@code src = max(0, (dst +
   * ½)·(in/out) − ½)}, between {@code ⌊src⌋} and {@code min(⌊src⌋ + 1, in − 1)} with weight {@code
   * src − ⌊src⌋}.
   *
   * @param x {@code [N, H, W, C]}
   * @param out {@code [N, any height, any width, C]}
   */
  void resizeBilinear(Tensor x, Tensor out);

  /**
   * The mean over all positions of a sample: {@code out[n] = mean of x[n, …]}.
   *
   * @param x {@code [N, L, C]} or {@code [N, H, W, C]}
   * @param out {@code [N, C]}
   */
  void meanOfPositions(Tensor x, Tensor out);

  // ----------------------------------------------------------------------------------------
  // embeddings

  /**
   * Rows of a table: {@code out[i] = table[ids[i]]}.
   *
   * @param table F32 {@code [entries, D]}
   * @param ids I64 {@code [n]}, each in {@code 0 … entries - 1}, else {@link
   *     IndexOutOfBoundsException}
   * @param out {@code [n, D]}
   */
  void embed(Tensor table, Tensor ids, Tensor out);

  /**
   * The sinusoidal embedding of a time or noise level, cosines first: with {@code half = D/2} and
   * {@code freq_i = maxPeriod^(-i/half)}, row n is {@code [cos(t_n·freq_0 … ), sin(t_n·freq_0 …
   * )]}, and a last 0 where D is odd. Frequencies and angles are rounded to f32 as in the authors'
   * code (guided-diffusion, {@code nn.py}).
   *
   * @param t {@code [n]}, any real value
   * @param out {@code [n, D]}
   */
  void timestepEmbedding(Tensor t, double maxPeriod, Tensor out);

  // ---------------------------------------------------------------------------------------- dense

  /**
   * A linear layer with everything that follows it: {@code out = residual + gate ⊙ activation(x·Wᵀ
   * + bias)}.
   *
   * @param x {@code [rows, in]}, F32 or {@link #factorType}
   * @param weight {@code [out, in]}, packed by this backend
   * @param epilogue bias and activation
   * @param gate {@code [N, out]}, each row for {@code rows / N} consecutive rows of the result;
   *     null for none
   * @param residual {@code [R, out]} with {@code R} a divisor of {@code rows}, added cyclically (a
   *     position embedding {@code [L, out]} or a residual stream {@code [rows, out]}); null for
   *     none; may be {@code out} itself
   * @param out {@code [rows, out]}; without gate and residual F32 or {@link #factorType}
   */
  void linear(Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out);

  /**
   * {@link #linear(Tensor, Weight, Epilogue, Tensor, Tensor, Tensor)} without gate and residual.
   */
  default void linear(Tensor x, Weight weight, Epilogue epilogue, Tensor out) {
    linear(x, weight, epilogue, null, null, out);
  }

  /**
   * A convolution with everything that follows it: {@code out = residual + activation(x ∗ kernel +
   * bias)}, cross-correlation as in PyTorch: {@code out[n, i, j, o] = Σ x[n, i·stride + a − top,
   * j·stride + b − left, c]·kernel[o, c, a, b]}, zeros outside of x.
   *
   * <p>A backend may use Winograd's algorithm, for the same shapes always: the rounding error of a
   * result is then relative to the numbers up to 5 positions away, and one that is not finite makes
   * its neighbours NaN.
   *
   * @param x {@code [N, H, W, in]}
   * @param kernel {@code [out, in, height, width]}, packed by this backend
   * @param spec stride and padding
   * @param epilogue bias and activation
   * @param residual {@code [N, H', W', out]}, or null for none; may be {@code out} itself
   * @param out {@code [N, H', W', out]} with {@code H' = (H + top + bottom − height)/stride + 1},
   *     rounded down, and W' alike
   */
  void conv2d(
      Tensor x, ConvKernel kernel, Conv2dSpec spec, Epilogue epilogue, Tensor residual, Tensor out);

  /** {@link #conv2d(Tensor, ConvKernel, Conv2dSpec, Epilogue, Tensor, Tensor)} without residual. */
  default void conv2d(Tensor x, ConvKernel kernel, Conv2dSpec spec, Epilogue epilogue, Tensor out) {
    conv2d(x, kernel, spec, epilogue, null, out);
  }

  /**
   * Multi-head attention, {@code softmax(scale·q·kᵀ + bias)·v} for each head, over the keys; the
   * matrix of weights is never held as a whole. The head size is {@code C / heads}, any number;
   * head h is columns {@code h·size …}, so packed {@code qkv [N, L, 3C]} is passed as three column
   * views.
   *
   * <p>With {@linkplain AttentionSpec#windows windows}, Lq = Lk is the area of a grid, and a query
   * sees the keys of its own window only; a relative position bias is added there.
   *
   * <p>Each of the tensors is F32 or {@link #factorType}; all are F32 where the scale is not
   * positive.
   *
   * @param q {@code [N, Lq, C]}
   * @param k {@code [N, Lk, C]}
   * @param v {@code [N, Lk, C]}
   * @param out {@code [N, Lq, C]}
   */
  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out);

  /**
   * Layer normalisation over the last axis with optional affine and modulation: {@code y = (x -
   * μ)/√(σ² + eps)·gamma + beta}, {@code out = y·(1 + scale) + shift}; μ and σ² are mean and biased
   * variance of the row.
   *
   * @param x {@code [rows, C]}
   * @param gamma {@code [C]} or null, together with beta
   * @param beta {@code [C]} or null
   * @param shift {@code [N, C]}, each row for {@code rows / N} consecutive rows; or null, together
   *     with scale
   * @param scale {@code [N, C]} or null
   * @param eps added to the variance
   * @param out {@code [rows, C]}, F32 or {@link #factorType}; may be x if it is F32
   */
  void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out);

  /**
   * Group normalisation with optional modulation and activation: {@code y = (x - μ)/√(σ² +
   * eps)·gamma + beta}, {@code out = activation(y·(1 + scale) + shift)}; μ and σ² are mean and
   * biased variance over all positions of a sample and the {@code C/groups} consecutive channels of
   * a group (Wu and He, 2018).
   *
   * @param x {@code [N, L, C]} or {@code [N, H, W, C]}; or {@code [N, C]}, where a sample has one
   *     position
   * @param groups a divisor of C
   * @param gamma {@code [C]}
   * @param beta {@code [C]}
   * @param shift {@code [N, C]}, or null together with scale
   * @param scale {@code [N, C]}, or null
   * @param eps added to the variance
   * @param activation applied last
   * @param out the shape of x; may be x
   */
  void groupNorm(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor out);

  // ----------------------------------------------------------------------------------------
  // pointwise

  /** {@code out = activation(x)}, same shapes; out may be x. */
  void activate(Activation activation, Tensor x, Tensor out);

  /**
   * {@code out = x + y}, where y may have fewer rows and is then added cyclically; out may be x or
   * y.
   *
   * @param x {@code [rows, C]}
   * @param y {@code [R, C]}, R a divisor of rows
   */
  void add(Tensor x, Tensor y, Tensor out);

  /**
   * {@code out = x + y}, with one row of y for all positions of a sample; out may be x.
   *
   * @param x {@code [rows, C]}
   * @param y {@code [N, C]}, each row for {@code rows / N} consecutive rows of x
   */
  void addPerSample(Tensor x, Tensor y, Tensor out);

  /** {@code out = x ⊙ y + z}, same shapes; out may be any of them. */
  void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out);

  /**
   * {@code out = a·x + b·y}, same shapes; out may be x or y. Samplers and guidance are made of it.
   * The products are rounded to f32 after {@code a} and {@code b}, which are rounded to f32 first.
   *
   * @param y null for {@code out = a·x}
   */
  void combine(double a, Tensor x, double b, Tensor y, Tensor out);

  /** {@code out = min(max(x, low), high)}, same shapes; NaN stays NaN; out may be x. */
  void clamp(Tensor x, double low, double high, Tensor out);

  /** Every element of {@code out} is the value, rounded to f32. */
  void fill(Tensor out, double value);

  /**
   * {@code out = exp(a·x + b)}, same shapes; out may be x. Where the result is below the smallest
   * normal float it may be 0.
   */
  void exp(double a, Tensor x, double b, Tensor out);

  // ----------------------------------------------------------------------------------------
  // gradients

  /**
   * Gradient of {@link #linear} without activation, gate and residual: {@code dx = dy·W}.
   *
   * @param dy {@code [rows, out]}
   * @param weight {@code [out, in]}, packed by this backend, which may keep a second form of it
   *     from now on
   * @param dx {@code [rows, in]}
   */
  void linearGradient(Tensor dy, Weight weight, Tensor dx);

  /**
   * Gradient of {@link #conv2d} without activation and residual: {@code dx[n, y, x, c] = Σ dy[n, i,
   * j, o]·kernel[o, c, y + top − i·stride, x + left − j·stride]}.
   *
   * @param dy {@code [N, H', W', out]}
   * @param kernel packed by this backend, which may keep a second form of it from now on
   * @param spec of the convolution
   * @param dx {@code [N, H, W, in]}
   */
  void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx);

  /**
   * Gradient of {@link #attention} with respect to queries, keys and values, without windows and
   * bias.
   *
   * @param dOut {@code [N, Lq, C]}
   * @param dq {@code [N, Lq, C]}
   * @param dk {@code [N, Lk, C]}
   * @param dv {@code [N, Lk, C]}
   * @throws IllegalArgumentException also if the attention has windows
   */
  void attentionGradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv);

  /**
   * Gradient of {@link #groupNorm}: with {@code x̂ = (x - μ)/√(σ² + eps)} and g the gradient of x̂,
   * {@code dx = (g - mean(g) - x̂·mean(g·x̂))/√(σ² + eps)}, means over a group.
   *
   * @param x as in the operator
   * @param dy the shape of x
   * @param dx the shape of x; may be dy
   */
  void groupNormGradient(
      Tensor x,
      int groups,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Activation activation,
      Tensor dy,
      Tensor dx);

  /** Gradient of {@link #activate}: {@code dx = dy ⊙ activation'(x)}; dx may be x or dy. */
  void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx);

  /**
   * Ends the backend's threads and frees what it holds; tensors and weights made with it stay their
   * owners' affair.
   */
  @Override
  void close();
}
