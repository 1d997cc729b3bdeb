package dev.gatun.runtime.cuda;

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
import dev.gatun.runtime.Replay;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import dev.gatun.runtime.reference.HostMovement;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/**
 * The operators on a GPU of NVIDIA's: products with cuBLASLt, convolutions with cuDNN, everything
 * else with kernels of our own that NVRTC compiles. Operators are put into one stream and return at
 * once; a copy to host memory waits for them.
 */
final class CudaBackend implements Backend {
  private final Device device;
  private final Products products;
  private final Session session;
  private final CudaOperators operators;

  /**
   * @throws CudaException if the GPU cannot be used
   * @throws dev.gatun.bindings.loader.MissingLibraryException if a library is missing
   */
  CudaBackend(Device device, Gpu gpu, Products products) {
    this.device = device;
    this.products = products;
    session = new Session(gpu);
    try {
      operators = new CudaOperators(session, products);
    } catch (RuntimeException | Error e) {
      session.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public Device device() {
    return device;
  }

  @Override
  public Precision precision() {
    return products.precision();
  }

  /** One stream, whatever the GPU does inside. */
  @Override
  public int threads() {
    return 1;
  }

  @Override
  public String description() {
    return session.gpu()
        + ", products in "
        + products
        + ", cuBLASLt "
        + Blas.version()
        + ", cuDNN "
        + Dnn.version();
  }

  @Override
  public Tensor allocate(DType dtype, Shape shape) {
    long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
    var arena = Arena.ofShared();
    try {
      var memory = session.allocate(bytes, arena);
      session.zero(memory.address(), 1, memory.byteSize(), memory.byteSize());
      return Tensor.owning(device, dtype, shape, memory, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  @Override
  public Replay replay(Runnable work) {
    return new GraphReplay(session, work);
  }

  @Override
  public void synchronize() {
    session.enter();
    session.stream().synchronize();
  }

  @Override
  public Weight pack(Tensor matrix) {
    OperatorChecks.pack(matrix);
    return new DeviceWeight(uploaded(matrix));
  }

  @Override
  public ConvKernel packKernel(Tensor kernel) {
    FeatureMapChecks.packKernel(kernel);
    try (var rows = HostMovement.windowRows(kernel)) {
      return new DeviceKernel(
          kernel.dim(0), kernel.dim(1), kernel.dim(2), kernel.dim(3), uploaded(rows));
    }
  }

  private Tensor uploaded(Tensor host) {
    var copy = allocate(DType.F32, host.shape());
    try {
      operators.transfer().copy(host, copy);
      return copy;
    } catch (RuntimeException | Error e) {
      copy.close();
      throw e;
    }
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    OperatorChecks.copy(device, from, to);
    session.enter();
    operators.transfer().copy(from, to);
  }

  @Override
  public void toChannelsLast(Tensor nchw, Tensor out) {
    OperatorChecks.toChannelsLast(device, nchw, out);
    session.enter();
    operators.movement().toChannelsLast(nchw, out);
  }

  @Override
  public void toChannelsFirst(Tensor nhwc, Tensor out) {
    OperatorChecks.toChannelsFirst(device, nhwc, out);
    session.enter();
    operators.movement().toChannelsFirst(nhwc, out);
  }

  @Override
  public void patchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.patchify(device, x, patch, out);
    session.enter();
    operators.movement().patchify(x, patch, out);
  }

  @Override
  public void unpatchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.unpatchify(device, x, patch, out);
    session.enter();
    operators.movement().unpatchify(x, patch, out);
  }

  @Override
  public void upsampleNearest(Tensor x, Tensor out) {
    FeatureMapChecks.upsampleNearest(device, x, out);
    session.enter();
    operators.resampling().upsampleNearest(x, out);
  }

  @Override
  public void averagePool(Tensor x, Tensor out) {
    FeatureMapChecks.averagePool(device, x, out);
    session.enter();
    operators.resampling().averagePool(x, out);
  }

  @Override
  public void resizeBilinear(Tensor x, Tensor out) {
    FeatureMapChecks.resizeBilinear(device, x, out);
    session.enter();
    operators.resampling().resizeBilinear(x, out);
  }

  @Override
  public void meanOfPositions(Tensor x, Tensor out) {
    FeatureMapChecks.meanOfPositions(device, x, out);
    session.enter();
    operators.resampling().meanOfPositions(x, out);
  }

  /**
   * {@inheritDoc}
   *
   * <p>The host looks at the ids, which waits for the device; in a record, where it cannot, a row
   * of an id without entry is NaN.
   */
  @Override
  public void embed(Tensor table, Tensor ids, Tensor out) {
    OperatorChecks.embed(device, table, ids, out);
    session.enter();
    if (!session.stream().isCapturing()) {
      requireEntries(table, ids);
    }
    operators.movement().embed(table, ids, out);
  }

  private void requireEntries(Tensor table, Tensor ids) {
    if (ids.shape().size() == 0) {
      return;
    }
    try (var arena = Arena.ofConfined()) {
      var host = arena.allocate(ids.span(), Long.BYTES);
      operators.transfer().download(ids.address(), host);
      int cols = ids.shape().cols();
      for (long i = 0; i < ids.shape().size(); i++) {
        long at = i / cols * ids.rowStride() + i % cols;
        long id = host.getAtIndex(ValueLayout.JAVA_LONG, at);
        if (id < 0 || id >= table.dim(0)) {
          throw OperatorChecks.noEntry(i, id, table);
        }
      }
    }
  }

  @Override
  public void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    OperatorChecks.timestepEmbedding(device, t, maxPeriod, out);
    session.enter();
    operators.movement().timestepEmbedding(t, maxPeriod, out);
  }

  @Override
  public void linear(
      Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    OperatorChecks.linear(device, factorType(), x, weight, epilogue, gate, residual, out);
    var own = Checks.packed("linear", weight, DeviceWeight.class, name());
    session.enter();
    operators.linear().linear(x, own, epilogue, gate, residual, out);
  }

  @Override
  public void conv2d(
      Tensor x,
      ConvKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    FeatureMapChecks.conv2d(device, x, kernel, spec, epilogue, residual, out);
    var own = Checks.packed("conv2d", kernel, DeviceKernel.class, name());
    session.enter();
    operators.convolution().conv2d(x, own, spec, epilogue, residual, out);
  }

  @Override
  public void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    OperatorChecks.attention(device, factorType(), q, k, v, spec, out);
    session.enter();
    operators.attention().attention(q, k, v, spec, out);
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    OperatorChecks.layerNorm(device, factorType(), x, gamma, beta, shift, scale, eps, out);
    session.enter();
    operators.norm().layerNorm(x, gamma, beta, shift, scale, eps, out);
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
    FeatureMapChecks.groupNorm(device, x, groups, gamma, beta, shift, scale, eps, activation, out);
    session.enter();
    operators.norm().groupNorm(x, groups, gamma, beta, shift, scale, eps, activation, out);
  }

  @Override
  public void activate(Activation activation, Tensor x, Tensor out) {
    OperatorChecks.activate(device, activation, x, out);
    session.enter();
    operators.pointwise().activate(activation, x, out);
  }

  @Override
  public void add(Tensor x, Tensor y, Tensor out) {
    OperatorChecks.add(device, x, y, out);
    session.enter();
    operators.pointwise().add(x, y, out);
  }

  @Override
  public void addPerSample(Tensor x, Tensor y, Tensor out) {
    FeatureMapChecks.addPerSample(device, x, y, out);
    session.enter();
    operators.pointwise().addPerSample(x, y, out);
  }

  @Override
  public void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    OperatorChecks.multiplyAdd(device, x, y, z, out);
    session.enter();
    operators.pointwise().multiplyAdd(x, y, z, out);
  }

  @Override
  public void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    OperatorChecks.combine(device, x, y, out);
    session.enter();
    operators.pointwise().combine(a, x, b, y, out);
  }

  @Override
  public void clamp(Tensor x, double low, double high, Tensor out) {
    OperatorChecks.clamp(device, x, low, high, out);
    session.enter();
    operators.pointwise().clamp(x, low, high, out);
  }

  @Override
  public void fill(Tensor out, double value) {
    OperatorChecks.fill(device, out);
    session.enter();
    operators.pointwise().fill(out, (float) value);
  }

  @Override
  public void exp(double a, Tensor x, double b, Tensor out) {
    OperatorChecks.exp(device, x, out);
    session.enter();
    operators.pointwise().exp(a, x, b, out);
  }

  @Override
  public void linearGradient(Tensor dy, Weight weight, Tensor dx) {
    GradientChecks.linear(device, dy, weight, dx);
    var own = Checks.packed("linearGradient", weight, DeviceWeight.class, name());
    session.enter();
    operators.linear().gradient(dy, own, dx);
  }

  @Override
  public void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    GradientChecks.conv2d(device, dy, kernel, spec, dx);
    var own = Checks.packed("conv2dGradient", kernel, DeviceKernel.class, name());
    session.enter();
    operators.convolution().gradient(dy, own, spec, dx);
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
    GradientChecks.attention(device, q, k, v, spec, dOut, dq, dk, dv);
    session.enter();
    operators.attentionKernels().attentionGradient(q, k, v, spec, dOut, dq, dk, dv);
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
    GradientChecks.groupNorm(device, x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
    session.enter();
    operators
        .norm()
        .groupNormGradient(x, groups, gamma, beta, shift, scale, eps, activation, dy, dx);
  }

  @Override
  public void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    GradientChecks.activate(device, activation, x, dy, dx);
    session.enter();
    operators.pointwise().activateGradient(activation, x, dy, dx);
  }

  @Override
  public void close() {
    if (session.isOpen()) {
      operators.close(session);
      session.close();
    }
  }
}
