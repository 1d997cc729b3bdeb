package dev.gatun.runtime;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Shows a backend of another device as one of the host's, so that the operator tests need not know:
 * for every operator the memory of the operands is copied to the device, laid out as it is here,
 * and what was changed is copied back. What a test says about views, guards and aliasing therefore
 * holds on the device.
 */
final class MirrorBackend implements Backend {
  private final Backend inner;

  MirrorBackend(Backend inner) {
    this.inner = inner;
  }

  /** The memory of some operands; those that overlap share a region. */
  private final class Mirror implements AutoCloseable {
    private final List<Region> regions = new ArrayList<>();

    private record Region(long begin, long end, Tensor host, Tensor device) {}

    Mirror(Tensor... operands) {
      var sorted =
          Stream.of(operands)
              .filter(t -> t != null && t.span() > 0)
              .sorted(Comparator.comparingLong(Tensor::address))
              .toList();
      for (int i = 0; i < sorted.size(); ) {
        long begin = sorted.get(i).address();
        long end = begin;
        for (; i < sorted.size() && (end == begin || sorted.get(i).address() < end); i++) {
          end = Math.max(end, sorted.get(i).address() + sorted.get(i).span());
        }
        add(begin, end);
      }
    }

    private void add(long begin, long end) {
      // As 16-bit numbers, which are copied as they are, whatever they mean.
      var shape = Shape.of(Math.toIntExact((end - begin) / Short.BYTES));
      @SuppressWarnings("restricted")
      var memory = MemorySegment.ofAddress(begin).reinterpret(end - begin, Arena.global(), null);
      var host = Tensor.wrap(Device.CPU, DType.BF16, shape, memory);
      var device = inner.allocate(DType.BF16, shape);
      inner.copy(host, device);
      regions.add(new Region(begin, end, host, device));
    }

    /** An operand on the device, or null for null. */
    Tensor of(Tensor operand) {
      if (operand == null) {
        return null;
      }
      if (operand.span() == 0) {
        var empty = inner.allocate(operand.dtype(), operand.shape());
        regions.add(new Region(0, 0, null, empty));
        return empty;
      }
      for (var region : regions) {
        if (region.begin <= operand.address() && operand.address() < region.end) {
          return operand.in(region.device, operand.address() - region.begin);
        }
      }
      throw new AssertionError("no region of " + operand);
    }

    /** Copies everything back. */
    void done() {
      for (var region : regions) {
        if (region.host != null) {
          inner.copy(region.device, region.host);
        }
      }
    }

    @Override
    public void close() {
      regions.forEach(region -> region.device.close());
    }
  }

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public Device device() {
    return Device.CPU;
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
  public Tensor allocate(DType dtype, Shape shape) {
    return Tensor.allocate(dtype, shape);
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
  public void copy(Tensor from, Tensor to) {
    OperatorChecks.copy(device(), from, to);
    try (var m = new Mirror(from, to)) {
      inner.copy(m.of(from), m.of(to));
      m.done();
    }
  }

  @Override
  public void toChannelsLast(Tensor nchw, Tensor out) {
    OperatorChecks.toChannelsLast(device(), nchw, out);
    try (var m = new Mirror(nchw, out)) {
      inner.toChannelsLast(m.of(nchw), m.of(out));
      m.done();
    }
  }

  @Override
  public void toChannelsFirst(Tensor nhwc, Tensor out) {
    OperatorChecks.toChannelsFirst(device(), nhwc, out);
    try (var m = new Mirror(nhwc, out)) {
      inner.toChannelsFirst(m.of(nhwc), m.of(out));
      m.done();
    }
  }

  @Override
  public void patchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.patchify(device(), x, patch, out);
    try (var m = new Mirror(x, out)) {
      inner.patchify(m.of(x), patch, m.of(out));
      m.done();
    }
  }

  @Override
  public void unpatchify(Tensor x, int patch, Tensor out) {
    OperatorChecks.unpatchify(device(), x, patch, out);
    try (var m = new Mirror(x, out)) {
      inner.unpatchify(m.of(x), patch, m.of(out));
      m.done();
    }
  }

  @Override
  public void upsampleNearest(Tensor x, Tensor out) {
    FeatureMapChecks.upsampleNearest(device(), x, out);
    try (var m = new Mirror(x, out)) {
      inner.upsampleNearest(m.of(x), m.of(out));
      m.done();
    }
  }

  @Override
  public void averagePool(Tensor x, Tensor out) {
    FeatureMapChecks.averagePool(device(), x, out);
    try (var m = new Mirror(x, out)) {
      inner.averagePool(m.of(x), m.of(out));
      m.done();
    }
  }

  @Override
  public void resizeBilinear(Tensor x, Tensor out) {
    FeatureMapChecks.resizeBilinear(device(), x, out);
    try (var m = new Mirror(x, out)) {
      inner.resizeBilinear(m.of(x), m.of(out));
      m.done();
    }
  }

  @Override
  public void meanOfPositions(Tensor x, Tensor out) {
    FeatureMapChecks.meanOfPositions(device(), x, out);
    try (var m = new Mirror(x, out)) {
      inner.meanOfPositions(m.of(x), m.of(out));
      m.done();
    }
  }

  @Override
  public void embed(Tensor table, Tensor ids, Tensor out) {
    OperatorChecks.embed(device(), table, ids, out);
    try (var m = new Mirror(table, ids, out)) {
      inner.embed(m.of(table), m.of(ids), m.of(out));
      m.done();
    }
  }

  @Override
  public void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    OperatorChecks.timestepEmbedding(device(), t, maxPeriod, out);
    try (var m = new Mirror(t, out)) {
      inner.timestepEmbedding(m.of(t), maxPeriod, m.of(out));
      m.done();
    }
  }

  @Override
  public void linear(
      Tensor x, Weight weight, Epilogue epilogue, Tensor gate, Tensor residual, Tensor out) {
    OperatorChecks.linear(device(), factorType(), x, weight, epilogue, gate, residual, out);
    try (var m = new Mirror(x, epilogue.bias(), gate, residual, out)) {
      var there = new Epilogue(m.of(epilogue.bias()), epilogue.activation());
      inner.linear(m.of(x), weight, there, m.of(gate), m.of(residual), m.of(out));
      m.done();
    }
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
    try (var m = new Mirror(x, epilogue.bias(), residual, out)) {
      var there = new Epilogue(m.of(epilogue.bias()), epilogue.activation());
      inner.conv2d(m.of(x), kernel, spec, there, m.of(residual), m.of(out));
      m.done();
    }
  }

  @Override
  public void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    OperatorChecks.attention(device(), factorType(), q, k, v, spec, out);
    try (var m = new Mirror(q, k, v, spec.relativeBias(), out)) {
      inner.attention(m.of(q), m.of(k), m.of(v), there(spec, m), m.of(out));
      m.done();
    }
  }

  private static AttentionSpec there(AttentionSpec spec, Mirror m) {
    return new AttentionSpec(
        spec.heads(), spec.scale(), spec.causal(), spec.windows(), m.of(spec.relativeBias()));
  }

  @Override
  public void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    OperatorChecks.layerNorm(device(), factorType(), x, gamma, beta, shift, scale, eps, out);
    try (var m = new Mirror(x, gamma, beta, shift, scale, out)) {
      inner.layerNorm(m.of(x), m.of(gamma), m.of(beta), m.of(shift), m.of(scale), eps, m.of(out));
      m.done();
    }
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
    try (var m = new Mirror(x, gamma, beta, shift, scale, out)) {
      inner.groupNorm(
          m.of(x),
          groups,
          m.of(gamma),
          m.of(beta),
          m.of(shift),
          m.of(scale),
          eps,
          activation,
          m.of(out));
      m.done();
    }
  }

  @Override
  public void activate(Activation activation, Tensor x, Tensor out) {
    OperatorChecks.activate(device(), activation, x, out);
    try (var m = new Mirror(x, out)) {
      inner.activate(activation, m.of(x), m.of(out));
      m.done();
    }
  }

  @Override
  public void add(Tensor x, Tensor y, Tensor out) {
    OperatorChecks.add(device(), x, y, out);
    try (var m = new Mirror(x, y, out)) {
      inner.add(m.of(x), m.of(y), m.of(out));
      m.done();
    }
  }

  @Override
  public void addPerSample(Tensor x, Tensor y, Tensor out) {
    FeatureMapChecks.addPerSample(device(), x, y, out);
    try (var m = new Mirror(x, y, out)) {
      inner.addPerSample(m.of(x), m.of(y), m.of(out));
      m.done();
    }
  }

  @Override
  public void multiplyAdd(Tensor x, Tensor y, Tensor z, Tensor out) {
    OperatorChecks.multiplyAdd(device(), x, y, z, out);
    try (var m = new Mirror(x, y, z, out)) {
      inner.multiplyAdd(m.of(x), m.of(y), m.of(z), m.of(out));
      m.done();
    }
  }

  @Override
  public void combine(double a, Tensor x, double b, Tensor y, Tensor out) {
    OperatorChecks.combine(device(), x, y, out);
    try (var m = new Mirror(x, y, out)) {
      inner.combine(a, m.of(x), b, m.of(y), m.of(out));
      m.done();
    }
  }

  @Override
  public void clamp(Tensor x, double low, double high, Tensor out) {
    OperatorChecks.clamp(device(), x, low, high, out);
    try (var m = new Mirror(x, out)) {
      inner.clamp(m.of(x), low, high, m.of(out));
      m.done();
    }
  }

  @Override
  public void fill(Tensor out, double value) {
    OperatorChecks.fill(device(), out);
    try (var m = new Mirror(out)) {
      inner.fill(m.of(out), value);
      m.done();
    }
  }

  @Override
  public void exp(double a, Tensor x, double b, Tensor out) {
    OperatorChecks.exp(device(), x, out);
    try (var m = new Mirror(x, out)) {
      inner.exp(a, m.of(x), b, m.of(out));
      m.done();
    }
  }

  @Override
  public void linearGradient(Tensor dy, Weight weight, Tensor dx) {
    GradientChecks.linear(device(), dy, weight, dx);
    try (var m = new Mirror(dy, dx)) {
      inner.linearGradient(m.of(dy), weight, m.of(dx));
      m.done();
    }
  }

  @Override
  public void conv2dGradient(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    GradientChecks.conv2d(device(), dy, kernel, spec, dx);
    try (var m = new Mirror(dy, dx)) {
      inner.conv2dGradient(m.of(dy), kernel, spec, m.of(dx));
      m.done();
    }
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
    try (var m = new Mirror(q, k, v, dOut, dq, dk, dv)) {
      inner.attentionGradient(
          m.of(q), m.of(k), m.of(v), there(spec, m), m.of(dOut), m.of(dq), m.of(dk), m.of(dv));
      m.done();
    }
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
    try (var m = new Mirror(x, gamma, beta, shift, scale, dy, dx)) {
      inner.groupNormGradient(
          m.of(x),
          groups,
          m.of(gamma),
          m.of(beta),
          m.of(shift),
          m.of(scale),
          eps,
          activation,
          m.of(dy),
          m.of(dx));
      m.done();
    }
  }

  @Override
  public void activateGradient(Activation activation, Tensor x, Tensor dy, Tensor dx) {
    GradientChecks.activate(device(), activation, x, dy, dx);
    try (var m = new Mirror(x, dy, dx)) {
      inner.activateGradient(activation, m.of(x), m.of(dy), m.of(dx));
      m.done();
    }
  }

  @Override
  public void close() {
    inner.close();
  }
}
