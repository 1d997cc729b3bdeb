package dev.gatun.models.dit;

import dev.gatun.models.Network;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.PatchEmbed;
import dev.gatun.models.layers.SinCosPositions;
import dev.gatun.models.layers.TimestepEmbedding;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The diffusion transformer with adaLN-Zero blocks, as in the authors' {@code models.py}.
 *
 * <p>N samples, T tokens, D the hidden size, p the patch size. The network owns its weights; the
 * workspace is the caller's.
 */
public final class DiT implements Network {
  private final DiTConfig config;
  private final Backend backend;
  private final Weights weights;
  private final PatchEmbed xEmbedder;
  private final TimestepEmbedding tEmbedder;
  private final Tensor labels;
  private final Tensor positions;
  private final List<DiTBlock> blocks = new ArrayList<>();
  private final FinalLayer finalLayer;

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public DiT(DiTConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int d = config.hiddenSize();
      xEmbedder = new PatchEmbed(weights, "x_embedder", config.inChannels(), config.patchSize(), d);
      tEmbedder = new TimestepEmbedding(weights, "t_embedder", DiTConfig.FREQUENCIES, d);
      labels = weights.tensor("y_embedder.embedding_table.weight", config.labels(), d);
      positions = positions();
      for (int i = 0; i < config.depth(); i++) {
        blocks.add(new DiTBlock(weights, "blocks." + i, config));
      }
      finalLayer = new FinalLayer(weights, "final_layer", config);
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
  }

  /**
   * The stored position embedding if there is one, for it is what the network was trained with;
   * {@code [T, D]}.
   */
  private Tensor positions() {
    var shape = Shape.of(config.tokens(), config.hiddenSize());
    if (weights.has("pos_embed")) {
      return weights.tensor("pos_embed", 1, shape.dim(0), shape.dim(1)).reshape(shape);
    }
    try (var table = Tensor.of(shape, SinCosPositions.table(config.grid(), config.hiddenSize()))) {
      var onDevice = weights.own(backend.allocate(DType.F32, shape));
      backend.copy(table, onDevice);
      return onDevice;
    }
  }

  @Override
  public DiTConfig config() {
    return config;
  }

  /** The backend that it computes on. */
  public Backend backend() {
    return backend;
  }

  /**
   * One evaluation.
   *
   * @param x {@code [N, H, W, C]}
   * @param t {@code [N]}, original timesteps {@code 0 … 999}, any real number
   * @param y I64 {@code [N]}, classes; the number of classes means "none"
   * @param out {@code [N, H, W, C or 2C]}: noise, then variance where it is learned
   */
  public void forward(Tensor x, Tensor t, Tensor y, Workspace workspace, Tensor out) {
    int n = x.dim(0);
    int mark = workspace.mark();
    var h = workspace.take(n, config.tokens(), config.hiddenSize()); // (N, T, D)
    xEmbedder.forward(x, positions, workspace, h);
    var c = workspace.take(n, config.hiddenSize()); // (N, D)
    backend.embed(labels, y, c);
    tEmbedder.addTo(t, c, workspace);
    backend.activate(Activation.SILU, c, c); // the first layer of every adaLN modulation
    for (var block : blocks) {
      block.forward(h, c, workspace); // (N, T, D)
    }
    finalLayer.forward(h, c, workspace, out); // (N, H, W, out channels)
    workspace.release(mark);
  }

  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    var x = input(inputs, "x", 4);
    var t = input(inputs, "t", 1);
    var y = input(inputs, "y", 1);
    int n = x.dim(0);
    int side = config.inputSize();
    if (!x.shape().is(n, config.inChannels(), side, side)) {
      throw new IllegalArgumentException(
          "x is "
              + x.shape()
              + ", expected [N, "
              + config.inChannels()
              + ", "
              + side
              + ", "
              + side
              + "]");
    }
    if (!t.shape().is(n) || !y.shape().is(n)) {
      throw new IllegalArgumentException(
          "t is "
              + t.shape()
              + " and y "
              + y.shape()
              + ", expected ["
              + n
              + "] as x has "
              + n
              + " samples");
    }
    requireLabels(y);
    try (var workspace = backend.workspace();
        var device = new Weights(backend, null)) {
      var nchw = device.own(backend.allocate(DType.F32, x.shape()));
      var nhwc =
          device.own(backend.allocate(DType.F32, Shape.of(n, side, side, config.inChannels())));
      var times = device.own(backend.allocate(DType.F32, t.shape()));
      var classes = device.own(backend.allocate(DType.I64, y.shape()));
      var result =
          device.own(backend.allocate(DType.F32, Shape.of(n, side, side, config.outChannels())));
      var back =
          device.own(backend.allocate(DType.F32, Shape.of(n, config.outChannels(), side, side)));
      backend.copy(x, nchw);
      backend.toChannelsLast(nchw, nhwc);
      backend.copy(t, times);
      backend.copy(y, classes);
      forward(nhwc, times, classes, workspace, result);
      backend.toChannelsFirst(result, back);
      var out = Tensor.allocate(DType.F32, back.shape());
      backend.copy(back, out);
      return Map.of("out", out);
    }
  }

  @Override
  public Trial trial(int batch) {
    int side = config.inputSize();
    var own = new Weights(backend, null);
    var workspace = own.own(backend.workspace());
    var x = own.own(backend.allocate(DType.F32, Shape.of(batch, side, side, config.inChannels())));
    var t = own.own(backend.allocate(DType.F32, Shape.of(batch)));
    var y = own.own(backend.allocate(DType.I64, Shape.of(batch)));
    var out =
        own.own(backend.allocate(DType.F32, Shape.of(batch, side, side, config.outChannels())));
    return new Trial() {
      @Override
      public void run() {
        forward(x, t, y, workspace, out);
      }

      @Override
      public void close() {
        own.close();
      }
    };
  }

  private void requireLabels(Tensor y) {
    if (y.dtype() != DType.I64) {
      throw new IllegalArgumentException("the input y is " + y + ", expected I64");
    }
    for (int i = 0; i < y.dim(0); i++) {
      long label = y.getLong(i);
      if (label < 0 || label >= config.labels()) {
        throw new IllegalArgumentException(
            "the input y holds " + label + ", expected 0 to " + (config.labels() - 1));
      }
    }
  }

  private static Tensor input(Map<String, Tensor> inputs, String name, int rank) {
    var tensor = inputs.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "the input " + name + " is missing; DiT takes x, t and y, not " + inputs.keySet());
    }
    if (tensor.shape().rank() != rank) {
      throw new IllegalArgumentException(
          "the input " + name + " is " + tensor.shape() + ", expected " + rank + " axes");
    }
    return tensor;
  }

  @Override
  public void close() {
    weights.close();
  }
}
