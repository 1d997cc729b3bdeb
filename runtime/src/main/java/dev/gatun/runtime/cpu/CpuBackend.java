package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.FeatureMapChecks;
import dev.gatun.runtime.GradientChecks;
import dev.gatun.runtime.OperatorChecks;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import dev.gatun.runtime.reference.HostEmbedding;
import dev.gatun.runtime.reference.HostMovement;

/**
 * The operators on the Vector API, machine code and a team of threads. Checks are made here, before
 * a kernel sees an argument; what only moves numbers is the reference's own code.
 */
final class CpuBackend implements Backend {
  private final ThreadTeam team;
  private final Scratch[] scratch;
  private final Gemm gemm;
  private final Convolution convolution;
  private final FlashAttention attention;
  private final AttentionGradient attentionGradient;
  private final GroupNormGradient groupNormGradient;
  private final LayerNorm layerNorm;
  private final GroupNorm groupNorm;
  private final Elementwise elementwise;
  private final Resampling resampling;
  private final Samples samples;
  private final Copying copying;
  private final OperatorEvent event = new OperatorEvent();

  private final Precision precision;

  /** Computes products in bf16; null for f32. */
  private final BrainOperators brain;

  /** Computes linear layers in bytes; null but for i8. */
  private final ByteGemm bytes;

  CpuBackend(int threads, Precision precision) {
    team = new ThreadTeam(threads);
    scratch = new Scratch[threads];
    for (int i = 0; i < threads; i++) {
      scratch[i] = new Scratch();
    }
    gemm = new Gemm(team, scratch);
    var winograd = new Winograd(team, scratch);
    convolution = new Convolution(gemm, winograd);
    attention = new FlashAttention(team, scratch);
    attentionGradient = new AttentionGradient(team);
    groupNormGradient = new GroupNormGradient(team, scratch);
    layerNorm = new LayerNorm(team, scratch);
    elementwise = new Elementwise(team, scratch);
    resampling = new Resampling(team, scratch);
    samples = new Samples(team, scratch);
    copying = new Copying(team);
    this.precision = precision;
    bytes = precision == Precision.I8 ? new ByteGemm(team, scratch, ByteProduct.unit()) : null;
    // What is not machine code of AVX-512 knows f32 alone.
    boolean wide = bytes != null && !bytes.needsCompiler();
    boolean rest = wide && BrainProduct.unavailable().isEmpty();
    brain = precision == Precision.BF16 || rest ? new BrainOperators(team, winograd) : null;
    groupNorm = new GroupNorm(team, scratch, brain == null ? null : brain.norms());
    WarmUp.start(precision);
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public Device device() {
    return Device.CPU;
  }

  @Override
  public Precision precision() {
    return precision;
  }

  @Override
  public DType factorType() {
    return brain == null ? DType.F32 : DType.BF16;
  }

  @Override
  public int threads() {
    return team.size();
  }

  @Override
  public String description() {
    return (bytes == null ? "" : ByteProduct.description() + ", ")
        + (brain == null ? "" : brain.description() + ", ")
        + (FloatTiles.USED ? "Vector API and assembled products, " : "Vector API, ")
        + Lanes.BYTES * 8
        + "-bit vectors, tiles of "
        + MicroKernel.ROWS
        + "x"
        + MicroKernel.WIDTH
        + ", "
        + team.size()
        + (team.size() == 1 ? " thread" : " threads");
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    return Tensor.allocate(dtype, shape);
  }

  @Override
  public Weight pack(Tensor matrix) {
    OperatorChecks.pack(matrix);
    if (bytes != null && ByteWeight.takes(matrix)) {
      return bytes.pack(matrix);
    }
    return brain == null ? new PackedWeight(matrix, team) : brain.pack(matrix);
  }

  @Override
  public ConvKernel packKernel(Tensor kernel) {
    FeatureMapChecks.packKernel(kernel);
    return brain == null ? new PackedKernel(kernel, team) : brain.packKernel(kernel);
  }

  @Override
  public void conv2d(
      Tensor x,
      ConvKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    FeatureMapChecks.conv2d(device(), x, kernel, spec, epilogue, residual, out);
    WarmUp.await();
    if (brain != null) {
      var packed = Checks.packed("conv2d", kernel, BrainKernel.class, name());
      event.begin();
      brain.conv2d(x, packed, spec, epilogue, residual, out);
    } else {
      var packed = Checks.packed("conv2d", kernel, PackedKernel.class, name());
      event.begin();
      convolution.conv2d(x, packed, spec, epilogue, residual, out);
    }
    record("conv2d", out);
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
    FeatureMapChecks.groupNorm(
        device(), x, groups, gamma, beta, shift, scale, eps, activation, out);
    WarmUp.await();
    event.begin();
    groupNorm.groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
    record("groupNorm", out);
  }

  @Override
  public void upsampleNearest(Tensor x, Tensor out) {
    FeatureMapChecks.upsampleNearest(device(), x, out);
    event.begin();
    resampling.upsampleNearest(x, out);
    record("upsampleNearest", out);
  }

  @Override
  public void averagePool(Tensor x, Tensor out) {
    FeatureMapChecks.averagePool(device(), x, out);
    event.begin();
    resampling.averagePool(x, out);
    record("averagePool", out);
  }

  @Override
  public void resizeBilinear(Tensor x, Tensor out) {
    FeatureMapChecks.resizeBilinear(device(), x, out);
    event.begin();
    resampling.resizeBilinear(x, out);
    record("resizeBilinear", out);
  }

  @Override
  public void meanOfPositions(Tensor x, Tensor out) {
    FeatureMapChecks.meanOfPositions(device(), x, out);
    event.begin();
    samples.meanOfPositions(x, out);
    record("meanOfPositions", out);
  }

  @Override
  public void addPerSample(Tensor x, Tensor y, Tensor out) {
    FeatureMapChecks.addPerSample(device(), x, y, out);
    event.begin();
    samples.addPerSample(x, y, out);
    record("addPerSample", out);
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    OperatorChecks.copy(device(), from, to);
    event.begin();
    copying.copy(from, to);
    record("copy", to);
  }

  @Override
  public void toChannelsLast(Tensor nchw, Tensor out) {
    OperatorChecks.toChannelsLast(device(), nchw, out);
    HostMovement.toChannelsLast(nchw, out);
  }

  @Override
  public void toChannelsFirst(Tensor nhwc, Tensor out) {
    OperatorChecks.toChannelsFirst(device(), nhwc, out);
    HostMovement.toChannelsFirst(nhwc, out);
  }

  @Override
  public void patchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.patchify(device(), x, patch, out);
    event.begin();
    HostMovement.patchify(x, patch, out);
    record("patchify", out);
  }

  @Override
  public void unpatchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.unpatchify(device(), x, patch, out);
    event.begin();
    HostMovement.unpatchify(x, patch, out);
    record("unpatchify", out);
  }

  @Override
  public void embed(Tensor table, Tensor ids, Tensor out) {
    OperatorChecks.embed(device(), table, ids, out);
    HostEmbedding.embed(table, ids, out);
  }

  @Override
  public void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    OperatorChecks.timestepEmbedding(device(), t, maxPeriod, out);
    HostEmbedding.timestepEmbedding(t, maxPeriod, out);
  }

  @Override
  public void linear(
      Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    OperatorChecks.linear(device(), factorType(), x, weight, epilogue, gate, residual, out);
    if (bytes != null && weight instanceof ByteWeight packed) {
      if (bytes.needsCompiler()) {
        WarmUp.await();
      }
      event.begin();
      bytes.linear(x, packed, epilogue, gate, residual, out);
    } else if (brain != null) {
      var packed = Checks.packed("linear", weight, BrainWeight.class, name());
      event.begin();
      brain.linear(x, packed, epilogue, gate, residual, out);
    } else {
      var packed = Checks.packed("linear", weight, PackedWeight.class, name());
      WarmUp.await();
      event.begin();
      gemm.linear(x, packed, epilogue, gate, residual, out);
    }
    record("linear", out);
  }

  @Override
  public void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    OperatorChecks.attention(device(), factorType(), q, k, v, spec, out);
    WarmUp.await();
    event.begin();
    if (brain != null && BrainAttention.takes(q, k, spec)) {
      brain.attention(q, k, v, spec, out);
    } else {
      attention.attention(q, k, v, spec, out);
    }
    record("attention", out);
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    OperatorChecks.layerNorm(device(), factorType(), x, gamma, beta, shift, scale, eps, out);
    if (brain != null) {
      event.begin();
      brain.layerNorm(x, gamma, beta, shift, scale, eps, out);
    } else {
      WarmUp.await();
      event.begin();
      layerNorm.layerNorm(x, gamma, beta, shift, scale, eps, out);
    }
    record("layerNorm", out);
  }

  @Override
  public void activate(Activation activation, Tensor x, Tensor out) {
    OperatorChecks.activate(device(), activation, x, out);
    event.begin();
    elementwise.activate(activation, x, out);
    record("activate", out);
  }

  @Override
  public void add(Tensor x, Tensor y, Tensor out) {
    OperatorChecks.add(device(), x, y, out);
    event.begin();
    elementwise.add(x, y, out);
    record("add", out);
  }

  @Override
  public void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    OperatorChecks.multiplyAdd(device(), x, y, z, out);
    event.begin();
    elementwise.multiplyAdd(x, y, z, out);
    record("multiplyAdd", out);
  }

  @Override
  public void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    OperatorChecks.combine(device(), x, y, out);
    event.begin();
    elementwise.combine((float) a, x, (float) b, y, out);
    record("combine", out);
  }

  @Override
  public void clamp(Tensor x, double low, double high, Tensor out) {
    OperatorChecks.clamp(device(), x, low, high, out);
    event.begin();
    elementwise.clamp(x, (float) low, (float) high, out);
    record("clamp", out);
  }

  @Override
  public void fill(Tensor out, double value) {
    OperatorChecks.fill(device(), out);
    HostMovement.fill(out, (float) value);
  }

  @Override
  public void exp(double a, Tensor x, double b, Tensor out) {
    OperatorChecks.exp(device(), x, out);
    event.begin();
    elementwise.exp((float) a, x, (float) b, out);
    record("exp", out);
  }

  @Override
  public void linearGradient(Tensor dy, Weight weight, Tensor dx) {
    GradientChecks.linear(device(), dy, weight, dx);
    if (bytes != null && weight instanceof ByteWeight packed) {
      WarmUp.await();
      event.begin();
      var transposed = packed.transposed("linearGradient");
      gemm.linear(dy, transposed, Epilogue.NONE, null, null, dx);
    } else if (brain != null) {
      var packed = Checks.packed("linearGradient", weight, BrainWeight.class, name());
      event.begin();
      brain.gradient(dy, packed, dx);
    } else {
      var packed = Checks.packed("linearGradient", weight, PackedWeight.class, name());
      WarmUp.await();
      event.begin();
      var transposed = packed.transposed("linearGradient");
      gemm.linear(dy, transposed, Epilogue.NONE, null, null, dx);
    }
    record("linearGradient", dx);
  }

  @Override
  public void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    GradientChecks.conv2d(device(), dy, kernel, spec, dx);
    if (brain != null) {
      var packed = Checks.packed("conv2dGradient", kernel, BrainKernel.class, name());
      event.begin();
      brain.gradient(dy, packed, spec, dx);
    } else {
      var packed = Checks.packed("conv2dGradient", kernel, PackedKernel.class, name());
      WarmUp.await();
      event.begin();
      convolution.gradient(dy, packed, spec, dx);
    }
    record("conv2dGradient", dx);
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
    GradientChecks.attention(device(), q, k, v, spec, dOut, dq, dk, dv);
    WarmUp.await();
    event.begin();
    attentionGradient.gradient(q, k, v, spec, dOut, dq, dk, dv);
    record("attentionGradient", dq);
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
    GradientChecks.groupNorm(
        device(), x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
    event.begin();
    groupNormGradient.gradient(x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
    record("groupNormGradient", dx);
  }

  @Override
  public void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    GradientChecks.activate(device(), activation, x, dy, dx);
    event.begin();
    elementwise.activateGradient(activation, x, dy, dx);
    record("activateGradient", dx);
  }

  /** Ends the event of an operator; does nothing unless a recording is on. */
  private void record(String operator, Tensor out) {
    event.end();
    if (event.shouldCommit()) {
      event.operator = operator;
      event.rows = out.shape().rows();
      event.columns = out.shape().cols();
      event.commit();
    }
  }

  @Override
  public void close() {
    team.close();
    if (brain != null) {
      brain.close();
    }
    if (bytes != null) {
      bytes.close();
    }
  }
}
