package dev.gatun.benchmarks;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Network;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Weights;
import dev.gatun.models.pipeline.Families;
import dev.gatun.models.vae.AutoencoderKL;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * A published network with {@linkplain HashedParameters made-up weights}, and its evaluation on
 * made-up inputs, which {@code peers/networks.py} makes as well: a diffusion network predicts the
 * noise of one time step, an autoencoder decodes.
 */
final class NetworkTrial implements Trial {
  private static final float TIME = 500;

  /** The label of the first sample; the second of a guided pair has none. */
  private static final int LABEL = 207;

  private final Backend backend;
  private final Weights owned; // the network and the tensors of its evaluation
  private final Runnable evaluation;
  private final Tensor out;

  /** A way to evaluate a network, and where that leaves its result. */
  private record Evaluation(Runnable run, Tensor out) {}

  /**
   * @param name of a published network, such as {@code DiT-XL/2}
   */
  NetworkTrial(String name, int batch, Backend backend) {
    this.backend = backend;
    owned = new Weights(backend, null);
    try {
      var prepared = prepare(owned.own(load(name, backend)), batch);
      evaluation = prepared.run;
      out = prepared.out;
    } catch (RuntimeException | Error e) {
      owned.close();
      throw e;
    }
  }

  private static Network load(String name, Backend backend) {
    var member =
        Families.preset(name)
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "no published network is called "
                            + name
                            + "; ./gatun help bench has some"));
    return member.family().load(member.config(), new HashedParameters(), backend);
  }

  private Evaluation prepare(Network network, int batch) {
    return switch (network) {
      case DiffusionNetwork diffusion -> denoising(diffusion, batch);
      case AutoencoderKL autoencoder -> decoding(autoencoder, batch);
      default ->
          throw new IllegalArgumentException(
              network.config().name() + " is neither a diffusion network nor an autoencoder");
    };
  }

  private Evaluation denoising(DiffusionNetwork network, int batch) {
    var config = network.config();
    int side = config.inputSize();
    var x = input(batch, side, side, config.inChannels());
    var t = tensor(batch);
    HashedNumbers.fill(t, 0, 0, TIME);
    var y = config.conditioning() == Conditioning.LABEL ? labels(batch, config.nullClass()) : null;
    var result = tensor(batch, side, side, config.outChannels());
    var workspace = owned.own(backend.workspace());
    return new Evaluation(() -> network.forward(x, t, y, workspace, result), result);
  }

  private Tensor labels(int batch, int nullClass) {
    var labels = owned.own(backend.allocate(DType.I64, Shape.of(batch)));
    for (int i = 0; i < batch; i++) {
      labels.setLong(i, i == 0 ? LABEL : nullClass);
    }
    return labels;
  }

  private Evaluation decoding(AutoencoderKL network, int batch) {
    var config = network.config();
    int side = config.sampleSize();
    int latents = side / config.factor();
    var z = input(batch, latents, latents, config.embedDim());
    var images = tensor(batch, side, side, config.outChannels());
    var workspace = owned.own(backend.workspace());
    return new Evaluation(() -> network.decode(z, 1, workspace, images), images);
  }

  /** A feature map of noise. */
  private Tensor input(int... dims) {
    var tensor = tensor(dims);
    HashedNumbers.fill(tensor, "x".hashCode(), HashedNumbers.scale(1), 0);
    return tensor;
  }

  private Tensor tensor(int... dims) {
    return owned.own(backend.allocate(DType.F32, Shape.of(dims)));
  }

  /** {@code [N, H, W, C]}. */
  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void run() {
    evaluation.run();
  }

  @Override
  public void close() {
    owned.close();
  }
}
