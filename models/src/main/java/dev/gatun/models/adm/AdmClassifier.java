package dev.gatun.models.adm;

import dev.gatun.models.Network;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.RecordingBackend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Map;

/**
 * The classifier of noisy pictures: the UNet's way down and a pool, as {@code EncoderUNetModel} in
 * the authors' {@code unet.py}.
 *
 * <p>Its layers compute through a {@link RecordingBackend}, so that {@link ClassifierGradient} can
 * ask for the gradient with respect to the pictures.
 */
public final class AdmClassifier implements Network {
  private final ClassifierConfig config;
  private final Backend backend;
  private final RecordingBackend recorder;
  private final Weights weights;
  private final Plan plan;
  private final TimeEmbedding timeEmbedding;
  private final AdmEncoder encoder;
  private final Pool pool;
  private final Tensor[] features; // of the pass under way: the results of the input blocks

  /**
   * Reads and packs the weights.
   *
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public AdmClassifier(ClassifierConfig config, Parameters parameters, Backend backend) {
    this.config = config;
    this.backend = backend;
    recorder = new RecordingBackend(backend);
    weights = new Weights(recorder, parameters);
    try {
      plan = config.plan();
      timeEmbedding = new TimeEmbedding(weights, config.backbone(), 0);
      encoder = new AdmEncoder(weights, plan);
      pool = Pool.of(weights, config);
      features = new Tensor[plan.input().size()];
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  @Override
  public ClassifierConfig config() {
    return config;
  }

  /** The backend that it computes on. */
  public Backend backend() {
    return backend;
  }

  /** What its layers compute on: it can go back through a pass. */
  RecordingBackend recorder() {
    return recorder;
  }

  /**
   * One evaluation. From the second one of a shape on it allocates nothing.
   *
   * @param x {@code [N, H, W, C]}, noisy pictures
   * @param t {@code [N]}, their original timesteps
   * @param workspace of the same backend, for intermediates; at its old height on return
   * @param logits {@code [N, classes]}
   */
  public void forward(Tensor x, Tensor t, Workspace workspace, Tensor logits) {
    requireSize(x);
    int n = x.dim(0);
    int mark = workspace.mark();
    var emb = workspace.take(n, config.backbone().embedding()); // (N, D)
    timeEmbedding.forward(t, null, workspace, emb);
    for (int i = 0; i < features.length; i++) {
      var block = plan.input().get(i);
      int rate = block.outRate();
      features[i] = workspace.take(n, x.dim(1) / rate, x.dim(2) / rate, block.out());
    }
    int rate = plan.middle().rate();
    var h = workspace.take(n, x.dim(1) / rate, x.dim(2) / rate, plan.middle().out());
    encoder.forward(x, emb, features, workspace, h); // (N, H', W', C)
    pool.forward(features, h, workspace, logits); // (N, classes)
    workspace.release(mark);
  }

  private void requireSize(Tensor x) {
    int side = config.imageSize();
    if (!x.shape().is(x.dim(0), side, side, config.inChannels())) {
      throw new IllegalArgumentException(
          "x is %s, expected [N, %d, %d, %d]"
              .formatted(x.shape(), side, side, config.inChannels()));
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Takes {@code x} and {@code t} and gives {@code logits}; with {@code y}, a class for each
   * picture, also {@code grad}, see {@link ClassifierGradient}.
   */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    int side = config.imageSize();
    try (var evaluation = new Evaluation(backend, inputs)) {
      var x = evaluation.image("x", config.inChannels(), side, side);
      int n = x.dim(0);
      var t = evaluation.floats("t", n);
      if (!evaluation.has("y")) {
        var logits = evaluation.allocate(n, config.numClasses());
        forward(x, t, evaluation.workspace(), logits);
        return Map.of("logits", evaluation.host(logits));
      }
      var y = evaluation.indices("y", config.numClasses(), n);
      var grad = evaluation.allocate(n, side, side, config.inChannels());
      try (var gradient = new ClassifierGradient(this, y, 1)) {
        gradient.at(x, t, grad);
        return Map.of(
            "logits", evaluation.host(gradient.logits()), "grad", evaluation.channelsFirst(grad));
      }
    }
  }

  @Override
  public Trial trial(int batch) {
    int side = config.imageSize();
    var trial = new NoiseTrial(backend);
    var x = trial.noise(batch, side, side, config.inChannels());
    var t = trial.zeros(DType.F32, batch);
    var logits = trial.zeros(DType.F32, batch, config.numClasses());
    return trial.of(() -> forward(x, t, trial.workspace(), logits), logits);
  }

  @Override
  public void close() {
    weights.close();
    recorder.close();
  }
}
