package dev.gatun.runtime;

/**
 * What the operators of {@link Backend} require of their arguments, one method per operator, so
 * that every backend accepts and refuses the same. A backend calls it before it writes anything.
 *
 * <p>A method returns if the arguments are good, and throws as {@link Backend} says if they are
 * not. It allocates nothing unless it fails.
 */
public final class OperatorChecks {
  private OperatorChecks() {}

  /** {@link Backend#pack}: a matrix in host memory of a type that weights are stored in. */
  public static void pack(Tensor matrix) {
    parameters("pack", "matrix", matrix, 2);
  }

  /** Requires a tensor in host memory of a type that weights are stored in. */
  static void parameters(String operator, String operand, Tensor tensor, int rank) {
    storage(operator, operand, tensor);
    requireOn(operator, operand, tensor, Device.CPU);
    if (tensor.dtype() == DType.I64) {
      throw type(operator, operand, tensor, "F32, F16 or BF16");
    }
    Checks.rank(operator, operand, tensor, rank);
  }

  /** {@link Backend#copy}, where each tensor is on the backend's device or in host memory. */
  public static void copy(Device device, Tensor from, Tensor to) {
    storage("copy", "from", from);
    storage("copy", "to", to);
    requireReachable("copy", "from", from, device);
    requireReachable("copy", "to", to, device);
    if ((from.dtype() == DType.I64) != (to.dtype() == DType.I64)) {
      throw type("copy", "to", to, from.dtype() == DType.I64 ? "I64" : "F32, F16 or BF16");
    }
    Checks.matrix("copy", "to", to, from.shape().rows(), from.shape().cols());
    Checks.disjoint("copy", to, "from", from);
  }

  /** {@link Backend#toChannelsLast}. */
  public static void toChannelsLast(Device device, Tensor nchw, Tensor out) {
    floats("toChannelsLast", "nchw", nchw, device);
    floats("toChannelsLast", "out", out, device);
    Checks.rank("toChannelsLast", "nchw", nchw, 4);
    if (!out.shape().is(nchw.dim(0), nchw.dim(2), nchw.dim(3), nchw.dim(1))) {
      throw Checks.shape(
          "toChannelsLast",
          "out",
          out,
          Shape.of(nchw.dim(0), nchw.dim(2), nchw.dim(3), nchw.dim(1)).toString());
    }
    Checks.disjoint("toChannelsLast", out, "nchw", nchw);
  }

  /** {@link Backend#toChannelsFirst}. */
  public static void toChannelsFirst(Device device, Tensor nhwc, Tensor out) {
    floats("toChannelsFirst", "nhwc", nhwc, device);
    floats("toChannelsFirst", "out", out, device);
    Checks.rank("toChannelsFirst", "nhwc", nhwc, 4);
    if (!out.shape().is(nhwc.dim(0), nhwc.dim(3), nhwc.dim(1), nhwc.dim(2))) {
      throw Checks.shape(
          "toChannelsFirst",
          "out",
          out,
          Shape.of(nhwc.dim(0), nhwc.dim(3), nhwc.dim(1), nhwc.dim(2)).toString());
    }
    Checks.disjoint("toChannelsFirst", out, "nhwc", nhwc);
  }

  /** {@link Backend#patchify}. */
  public static void patchify(Device device, Tensor x, int patch, Tensor out) {
    patches("patchify", device, "x", x, patch, "out", out);
    Checks.disjoint("patchify", out, "x", x);
  }

  /** {@link Backend#unpatchify}. */
  public static void unpatchify(Device device, Tensor x, int patch, Tensor out) {
    patches("unpatchify", device, "out", out, patch, "x", x);
    Checks.disjoint("unpatchify", out, "x", x);
  }

  private static void patches(
      String operator,
      Device device,
      String imageName,
      Tensor image,
      int patch,
      String tokensName,
      Tensor tokens) {
    floats(operator, imageName, image, device);
    floats(operator, tokensName, tokens, device);
    Checks.rank(operator, imageName, image, 4);
    if (patch < 1) {
      throw new IllegalArgumentException(
          operator + ": patch is " + patch + ", expected at least 1");
    }
    if (image.dim(1) % patch != 0 || image.dim(2) % patch != 0) {
      throw Checks.shape(
          operator, imageName, image, "[N, H, W, C] with H and W divisible by " + patch);
    }
    long length = (long) (image.dim(1) / patch) * (image.dim(2) / patch);
    long channels = (long) patch * patch * image.dim(3);
    if (tokens.shape().rank() != 3
        || tokens.dim(0) != image.dim(0)
        || tokens.dim(1) != length
        || tokens.dim(2) != channels) {
      throw Checks.shape(
          operator, tokensName, tokens, "[" + image.dim(0) + ", " + length + ", " + channels + "]");
    }
  }

  /**
   * {@link Backend#embed}, but for the values of the ids, which only the device can see. The ids
   * may have any shape of n elements.
   */
  public static void embed(Device device, Tensor table, Tensor ids, Tensor out) {
    floats("embed", "table", table, device);
    Checks.operand("embed", "ids", ids, device, DType.I64);
    floats("embed", "out", out, device);
    Checks.rank("embed", "table", table, 2);
    Checks.matrix("embed", "out", out, ids.shape().size(), table.dim(1));
    Checks.disjoint("embed", out, "table", table);
    Checks.disjoint("embed", out, "ids", ids);
  }

  /** {@link Backend#embed}: the exception for an id that has no entry in the table. */
  public static IndexOutOfBoundsException noEntry(long index, long id, Tensor table) {
    return new IndexOutOfBoundsException(
        "embed: ids[" + index + "] is " + id + ", expected 0 to " + (table.dim(0) - 1));
  }

  /** {@link Backend#timestepEmbedding}. */
  public static void timestepEmbedding(Device device, Tensor t, double maxPeriod, Tensor out) {
    floats("timestepEmbedding", "t", t, device);
    floats("timestepEmbedding", "out", out, device);
    if (!(maxPeriod > 0 && maxPeriod < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "timestepEmbedding: maxPeriod is " + maxPeriod + ", expected a positive number");
    }
    Checks.rank("timestepEmbedding", "t", t, 1);
    Checks.matrix("timestepEmbedding", "out", out, t.dim(0), out.shape().cols());
    Checks.disjoint("timestepEmbedding", out, "t", t);
  }

  /**
   * {@link Backend#linear(Tensor, Weight, Epilogue, Tensor, Tensor, Tensor)}, but for whose weight
   * it is: {@link Checks#packed}.
   *
   * @param factors {@link Backend#factorType}
   */
  public static void linear(
      Device device,
      DType factors,
      Tensor x,
      Weight weight,
      Epilogue epilogue,
      Tensor gate,
      Tensor residual,
      Tensor out) {
    factor("linear", "x", x, device, factors);
    factor("linear", "out", out, device, gate == null && residual == null ? factors : DType.F32);
    present("linear", "weight", weight);
    present("linear", "epilogue", epilogue);
    long rows = x.shape().rows();
    Checks.matrix("linear", "x", x, rows, weight.in());
    Checks.matrix("linear", "out", out, rows, weight.out());
    Checks.disjoint("linear", out, "x", x);
    if (epilogue.bias() != null) {
      floats("linear", "bias", epilogue.bias(), device);
      Checks.vector("linear", "bias", epilogue.bias(), weight.out());
      Checks.disjoint("linear", out, "bias", epilogue.bias());
    }
    if (gate != null) {
      floats("linear", "gate", gate, device);
      Checks.divides("linear", "gate", gate, rows, weight.out());
      Checks.disjoint("linear", out, "gate", gate);
    }
    if (residual != null) {
      floats("linear", "residual", residual, device);
      Checks.divides("linear", "residual", residual, rows, weight.out());
      Checks.disjointOrSame("linear", out, "residual", residual);
    }
  }

  /**
   * {@link Backend#attention}.
   *
   * @param factors {@link Backend#factorType}
   */
  public static void attention(
      Device device, DType factors, Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    var type = spec != null && spec.scale() > 0 ? factors : DType.F32;
    attention("attention", device, type, q, k, v, spec);
    factor("attention", "out", out, device, type);
    Checks.same("attention", "out", out, q.shape());
    Checks.disjoint("attention", out, "q", q);
    Checks.disjoint("attention", out, "k", k);
    Checks.disjoint("attention", out, "v", v);
    if (spec.windows() != null) {
      windows(device, q, k, spec);
    }
    if (spec.relativeBias() != null) {
      Checks.disjoint("attention", out, "relativeBias", spec.relativeBias());
    }
  }

  /** The operands of an attention without windows, or of its gradient. */
  static void attention(
      String operator,
      Device device,
      DType factors,
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec) {
    factor(operator, "q", q, device, factors);
    factor(operator, "k", k, device, factors);
    factor(operator, "v", v, device, factors);
    present(operator, "spec", spec);
    Checks.rank(operator, "q", q, 3);
    Checks.rank(operator, "k", k, 3);
    if (q.dim(2) % spec.heads() != 0) {
      throw Checks.shape(operator, "q", q, "a last extent that " + spec.heads() + " heads divide");
    }
    if (k.dim(0) != q.dim(0) || k.dim(2) != q.dim(2)) {
      throw Checks.shape(operator, "k", k, "[" + q.dim(0) + ", Lk, " + q.dim(2) + "]");
    }
    if (k.dim(1) == 0 && q.shape().size() != 0) {
      throw Checks.shape(operator, "k", k, "at least one key for the queries " + q.shape());
    }
    Checks.same(operator, "v", v, k.shape());
  }

  /** {@link Backend#attention} in windows: every token of the grid is a query and a key. */
  private static void windows(Device device, Tensor q, Tensor k, AttentionSpec spec) {
    var grid = spec.windows();
    long area = (long) grid.height() * grid.width();
    if (q.dim(1) != area) {
      throw Checks.shape("attention", "q", q, grid(q, area, grid));
    }
    if (k.dim(1) != area) {
      throw Checks.shape("attention", "k", k, grid(q, area, grid));
    }
    var bias = spec.relativeBias();
    if (bias != null) {
      floats("attention", "relativeBias", bias, device);
      Checks.rank("attention", "relativeBias", bias, 2);
      long distances = 2L * grid.side() - 1;
      Checks.matrix("attention", "relativeBias", bias, spec.heads(), distances * distances);
    }
  }

  private static String grid(Tensor q, long area, AttentionSpec.Windows grid) {
    return "[%d, %d, %d] for windows on a grid of %dx%d"
        .formatted(q.dim(0), area, q.dim(2), grid.height(), grid.width());
  }

  /**
   * {@link Backend#layerNorm}.
   *
   * @param factors {@link Backend#factorType}
   */
  public static void layerNorm(
      Device device,
      DType factors,
      Tensor x,
      Tensor gamma,
      Tensor beta,
      Tensor shift,
      Tensor scale,
      float eps,
      Tensor out) {
    floats("layerNorm", "x", x, device);
    factor("layerNorm", "out", out, device, factors);
    if (!(eps >= 0)) {
      throw new IllegalArgumentException("layerNorm: eps is " + eps + ", expected at least 0");
    }
    long rows = x.shape().rows();
    int cols = x.shape().cols();
    Checks.matrix("layerNorm", "out", out, rows, cols);
    Checks.disjointOrSame("layerNorm", out, "x", x);
    if (gamma != null || beta != null) {
      floats("layerNorm", "gamma", gamma, device);
      floats("layerNorm", "beta", beta, device);
      Checks.vector("layerNorm", "gamma", gamma, cols);
      Checks.vector("layerNorm", "beta", beta, cols);
      Checks.disjoint("layerNorm", out, "gamma", gamma);
      Checks.disjoint("layerNorm", out, "beta", beta);
    }
    if (shift != null || scale != null) {
      floats("layerNorm", "shift", shift, device);
      floats("layerNorm", "scale", scale, device);
      Checks.divides("layerNorm", "shift", shift, rows, cols);
      Checks.matrix("layerNorm", "scale", scale, shift.shape().rows(), cols);
      Checks.disjoint("layerNorm", out, "shift", shift);
      Checks.disjoint("layerNorm", out, "scale", scale);
    }
  }

  /** {@link Backend#activate}. */
  public static void activate(Device device, Activation activation, Tensor x, Tensor out) {
    present("activate", "activation", activation);
    pointwise("activate", device, "x", x, out);
  }

  /** {@link Backend#add}. */
  public static void add(Device device, Tensor x, Tensor y, Tensor out) {
    floats("add", "x", x, device);
    floats("add", "y", y, device);
    floats("add", "out", out, device);
    Checks.divides("add", "y", y, x.shape().rows(), x.shape().cols());
    Checks.matrix("add", "out", out, x.shape().rows(), x.shape().cols());
    Checks.disjointOrSame("add", out, "x", x);
    Checks.disjointOrSame("add", out, "y", y);
  }

  /** {@link Backend#multiplyAdd}. */
  public static void multiplyAdd(Device device, Tensor x, Tensor y, Tensor z, Tensor out) {
    pointwise("multiplyAdd", device, "x", x, out);
    pointwise("multiplyAdd", device, "y", y, out);
    pointwise("multiplyAdd", device, "z", z, out);
  }

  /** {@link Backend#combine}. */
  public static void combine(Device device, Tensor x, Tensor y, Tensor out) {
    pointwise("combine", device, "x", x, out);
    if (y != null) {
      pointwise("combine", device, "y", y, out);
    }
  }

  /** {@link Backend#clamp}. */
  public static void clamp(Device device, Tensor x, double low, double high, Tensor out) {
    if (Double.isNaN(low) || Double.isNaN(high)) {
      throw new IllegalArgumentException(
          "clamp: low is " + low + " and high " + high + ", expected numbers");
    }
    pointwise("clamp", device, "x", x, out);
  }

  /** {@link Backend#fill}. */
  public static void fill(Device device, Tensor out) {
    floats("fill", "out", out, device);
  }

  /** {@link Backend#exp}. */
  public static void exp(Device device, Tensor x, Tensor out) {
    pointwise("exp", device, "x", x, out);
  }

  /** One operand of an operator on equal shapes that may be computed in place. */
  private static void pointwise(
      String operator, Device device, String operand, Tensor tensor, Tensor out) {
    floats(operator, operand, tensor, device);
    floats(operator, "out", out, device);
    Checks.same(operator, operand, tensor, out.shape());
    Checks.disjointOrSame(operator, out, operand, tensor);
  }

  /** Requires F32 or another type. */
  private static void factor(
      String operator, String operand, Tensor tensor, Device device, DType type) {
    if (tensor == null || tensor.dtype() == DType.F32 || type == DType.F32) {
      floats(operator, operand, tensor, device);
    } else if (tensor.dtype() == type) {
      requireOn(operator, operand, tensor, device);
    } else {
      throw type(operator, operand, tensor, "F32 or " + type);
    }
  }

  static void floats(String operator, String operand, Tensor tensor, Device device) {
    Checks.operand(operator, operand, tensor, device, DType.F32);
  }

  /** Requires a live tensor of a type that {@link Backend#copy} knows. */
  private static void storage(String operator, String operand, Tensor tensor) {
    present(operator, operand, tensor);
    // Of the tensor's own device and type, so only its life is asked for.
    Checks.operand(operator, operand, tensor, tensor.device(), tensor.dtype());
    switch (tensor.dtype()) {
      case F32, F16, BF16, I64 -> {}
      case F64, I32, I16, I8, U8, BOOL ->
          throw type(operator, operand, tensor, "F32, F16, BF16 or I64");
    }
  }

  private static void requireOn(String operator, String operand, Tensor tensor, Device device) {
    Checks.operand(operator, operand, tensor, device, tensor.dtype());
  }

  private static void requireReachable(
      String operator, String operand, Tensor tensor, Device device) {
    if (!tensor.device().equals(Device.CPU)) {
      requireOn(operator, operand, tensor, device);
    }
  }

  static void present(String operator, String operand, Object argument) {
    if (argument == null) {
      throw new IllegalArgumentException(operator + ": " + operand + " is missing");
    }
  }

  private static IllegalArgumentException type(
      String operator, String operand, Tensor found, String expected) {
    return new IllegalArgumentException(
        operator + ": " + operand + " is " + found.dtype() + ", expected " + expected);
  }
}
