package dev.gatun.runtime;

/**
 * What a U-Net does, in small: blocks with a time embedding, residuals, pooling, attention on
 * views, repetition, concatenation; in place and in reused memory wherever that is possible.
 */
final class SmallUNet implements AutoCloseable {
  static final int N = 2;
  static final int CLASSES = 5;
  private static final int C = 8;
  private static final float EPS = 1e-5f;
  private static final Shape TOKENS = Shape.of(N, 4, C);

  private final ConvKernel first;
  private final ConvKernel second;
  private final ConvKernel third;
  private final ConvKernel joint;
  private final Weight time;
  private final Weight qkv;
  private final Weight proj;
  private final Weight head;
  private final Epilogue bias;
  private final Epilogue gelu;
  private final Epilogue wide;
  private final Epilogue silu;
  private final Tensor gamma;
  private final Tensor beta;
  private final Tensor factors;
  private final Tensor positions;
  private final AttentionSpec attention = AttentionSpec.of(2, C / 2);

  /** With parameters packed by a backend, from tensors that the test closes. */
  SmallUNet(Backend backend, TestTensors tensors) {
    first = backend.packKernel(tensors.random(C, 3, 3, 3));
    second = backend.packKernel(tensors.random(C, C, 3, 3));
    third = backend.packKernel(tensors.random(C, C, 1, 1));
    joint = backend.packKernel(tensors.random(C, 2 * C, 3, 3));
    time = backend.pack(tensors.random(2 * C, 6));
    qkv = backend.pack(tensors.random(3 * C, C));
    proj = backend.pack(tensors.random(C, C));
    head = backend.pack(tensors.random(CLASSES, C));
    bias = Epilogue.bias(tensors.random(C));
    gelu = new Epilogue(tensors.random(C), Activation.GELU_TANH);
    wide = Epilogue.bias(tensors.random(3 * C));
    silu = new Epilogue(tensors.random(CLASSES), Activation.SILU);
    gamma = tensors.random(C);
    beta = tensors.random(C);
    factors = tensors.random(N, 2, 2, C);
    positions = tensors.random(4, C);
  }

  /**
   * @param x {@code [N, 4, 4, 3]}
   * @param t {@code [N]}
   * @param y {@code [N, CLASSES]}
   */
  void forward(Backend backend, Workspace workspace, Tensor x, Tensor t, Tensor y) {
    int mark = workspace.mark();
    var h = workspace.take(N, 4, 4, C);
    backend.conv2d(x, first, Conv2dSpec.same(3), bias, h); // (N, 4, 4, C)
    residualBlock(backend, workspace, t, h);
    var p = workspace.take(N, 2, 2, C);
    backend.averagePool(h, p); // (N, 2, 2, C)
    attentionBlock(backend, workspace, p.reshape(TOKENS));
    var z = workspace.take(N, 2, 2, C);
    join(backend, workspace, h, p, z); // (N, 2, 2, C)
    backend.combine(0.5, z, -1.5, p, z);
    backend.multiplyAdd(factors, z, z, z);
    var mean = workspace.take(N, C);
    backend.meanOfPositions(z, mean); // (N, C)
    backend.copy(mean.columns(1, 1 + CLASSES), y);
    backend.linear(mean, head, silu, null, y, y); // (N, CLASSES)
    workspace.release(mark);
  }

  /** The block of ADM: the embedding of the time scales and shifts, computed where h was before. */
  private void residualBlock(Backend backend, Workspace workspace, Tensor t, Tensor h) {
    int mark = workspace.mark();
    var a = workspace.take(N, 4, 4, C);
    backend.groupNorm(h, 2, gamma, beta, null, null, EPS, Activation.SILU, a);
    var b = workspace.take(N, 4, 4, C);
    backend.conv2d(a, second, Conv2dSpec.same(3), bias, b);
    workspace.release(mark);
    // The embedding lies where a was, which depends on x; b must survive it.
    var embedding = workspace.take(N, 6);
    backend.timestepEmbedding(t, 10000, embedding);
    var modulation = workspace.take(N, 2 * C);
    backend.linear(embedding, time, Epilogue.NONE, modulation);
    var shift = modulation.columns(0, C);
    var scale = modulation.columns(C, 2 * C);
    backend.addPerSample(b, shift, b);
    backend.groupNorm(b, 4, gamma, beta, shift, scale, EPS, Activation.SILU, b);
    backend.conv2d(b, third, Conv2dSpec.same(1), bias, h, h);
    workspace.release(mark);
  }

  private void attentionBlock(Backend backend, Workspace workspace, Tensor tokens) {
    int mark = workspace.mark();
    var packed = workspace.take(N, 4, 3 * C);
    var normal = workspace.take(N, 4, C);
    backend.add(tokens, positions, normal);
    backend.groupNorm(normal, 2, gamma, beta, null, null, EPS, Activation.IDENTITY, normal);
    backend.linear(normal, qkv, wide, packed);
    backend.attention(
        packed.columns(0, C),
        packed.columns(C, 2 * C),
        packed.columns(2 * C, 3 * C),
        attention,
        normal);
    backend.linear(normal, proj, bias, null, tokens, tokens);
    workspace.release(mark);
  }

  /** Concatenates in memory of which a part depends on x from before, and a part does not. */
  private void join(Backend backend, Workspace workspace, Tensor h, Tensor p, Tensor z) {
    int mark = workspace.mark();
    var joined = workspace.take(N, 4, 4, 2 * C);
    var up = workspace.take(N, 4, 4, C);
    backend.upsampleNearest(p, up);
    backend.copy(up, joined.columns(C, 2 * C));
    backend.copy(h, joined.columns(0, C)); // (N, 4, 4, 2C)
    backend.activate(Activation.QUICK_GELU, joined, joined);
    backend.conv2d(joined, joint, Conv2dSpec.padded(2, 1), gelu, p, z); // (N, 2, 2, C)
    workspace.release(mark);
  }

  @Override
  public void close() {
    first.close();
    second.close();
    third.close();
    joint.close();
    time.close();
    qkv.close();
    proj.close();
    head.close();
  }
}
