package dev.gatun.models.pipeline;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.diffusion.ClassifierFreeGuidance;
import dev.gatun.models.diffusion.DdimSampler;
import dev.gatun.models.diffusion.DdpmSampler;
import dev.gatun.models.diffusion.GuidanceScale;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.models.diffusion.NoiseSchedule;
import dev.gatun.models.diffusion.Respacing;
import dev.gatun.models.diffusion.Sampler;
import dev.gatun.models.diffusion.StepListener;
import dev.gatun.models.dit.DiT;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import dev.gatun.runtime.random.PhiloxRandom;
import dev.gatun.runtime.random.TorchRandom;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A model that makes pictures, from file to pixels:
 *
 * {@snippet :
 * try (var pipeline = ImagePipeline.load(Path.of("model.safetensors"))) {
 *   var images = pipeline.request().classes("strawberry", "banana").seed(7).generate();
 *   ImageIO.write(images.grid(), "png", new File("fruit.png"));
 * }
 * }
 *
 * <p>One picture request at a time: a pipeline computes with one backend, which serves one caller.
 * Memory of the intermediates is kept from request to request.
 */
public final class ImagePipeline implements AutoCloseable {
  // With more rows the intermediates leave the second-level cache: dit-fruit's largest product ran
  // at 171 GFLOP/s on two threads with this number of rows each, and at 150 with twice as many.
  private static final int ROWS_PER_THREAD = 128;

  /** The most numbers that the pictures of a request may have together: what an array holds. */
  private static final int MAX_NUMBERS = Integer.MAX_VALUE - 8;

  private final String name;
  private final ModelFile model;
  private final DiT network;
  private final Backend backend;
  private final boolean ownsBackend;
  private final Workspace workspace;

  private ImagePipeline(
      String name, ModelFile model, DiT network, Backend backend, boolean ownsBackend) {
    this.name = name;
    this.model = model;
    this.network = network;
    this.backend = backend;
    this.ownsBackend = ownsBackend;
    workspace = backend.workspace();
  }

  /**
   * Loads a checkpoint on the fastest backend of this machine's CPU.
   *
   * @throws CheckpointException if the file is broken, or no model that makes pictures
   */
  public static ImagePipeline load(Path file) throws CheckpointException {
    try (var checkpoint = Checkpoint.open(file)) {
      return load(checkpoint, ModelFile.recognise(file, checkpoint, null));
    }
  }

  /**
   * Loads a model that comes with Gatun; see {@link BundledModels}.
   *
   * @throws CheckpointException if there is none of that name; the message lists them
   */
  public static ImagePipeline bundled(String name) throws CheckpointException {
    try (var bundled = BundledModels.open(name)) {
      return load(bundled.checkpoint(), ModelFile.recognise(bundled.checkpoint(), null));
    }
  }

  private static ImagePipeline load(Checkpoint checkpoint, ModelFile model)
      throws CheckpointException {
    var backend = Backend.open(Device.CPU);
    try {
      return load(checkpoint, model, backend, true);
    } catch (CheckpointException | RuntimeException | Error e) {
      backend.close();
      throw e;
    }
  }

  /**
   * Loads a recognised checkpoint on a backend, which stays the caller's to close, after the
   * pipeline.
   *
   * @throws CheckpointException if the file is broken, or no model that makes pictures
   */
  public static ImagePipeline load(Checkpoint checkpoint, ModelFile model, Backend backend)
      throws CheckpointException {
    return load(checkpoint, model, backend, false);
  }

  private static ImagePipeline load(
      Checkpoint checkpoint, ModelFile model, Backend backend, boolean owns)
      throws CheckpointException {
    if (model.sampling().latent()) {
      throw new CheckpointException(
          checkpoint.name(),
          "is a "
              + model.config().name()
              + " that makes latents, and this version cannot decode them; evaluate it with `gatun forward` or time it with `gatun bench`");
    }
    return new ImagePipeline(
        checkpoint.name(), model, (DiT) model.load(checkpoint, backend), backend, owns);
  }

  /** What the model is and how it is sampled. */
  public ModelFile model() {
    return model;
  }

  /** What it computes with. */
  public Backend backend() {
    return backend;
  }

  /** How many classes the model knows. */
  public int classCount() {
    return network.config().numClasses();
  }

  /** Channels of the pictures. */
  int channels() {
    return network.config().inChannels();
  }

  /**
   * The smallest batch whose tokens, both halves of a guided batch counted, give every thread a
   * full share of rows.
   */
  int smallestFullBatch() {
    return Math.ceilDiv(ROWS_PER_THREAD * backend.threads(), 2 * network.config().tokens());
  }

  /** A request for pictures with the defaults of the model. */
  public ImageRequest request() {
    return new ImageRequest(this, model);
  }

  GeneratedImages generate(ImageRequest request) throws InterruptedException {
    var sampler = sampler(request);
    int count = request.pictures();
    int side = network.config().inputSize();
    int image = Math.toIntExact((long) side * side * channels());
    if (count > MAX_NUMBERS / image) {
      throw new IllegalArgumentException(
          "count is "
              + count
              + ", expected at most "
              + MAX_NUMBERS / image
              + " pictures of this size in one request");
    }
    float[] samples = new float[count * image];
    long[] labels = new long[count];
    for (int i = 0; i < count; i++) {
      labels[i] = request.label(i);
    }
    int batch = request.batch();
    int batches = Math.ceilDiv(count, batch);
    Noise shared = shared(request);
    for (int b = 0; b < batches; b++) {
      int first = b * batch;
      int size = Math.min(batch, count - first);
      long[] own = Arrays.copyOfRange(labels, first, first + size);
      var noise = shared != null ? shared : Noise.perImage(request.seed, first, backend);
      try (var x = backend.allocate(DType.F32, Shape.of(size, side, side, channels()))) {
        noise.next(x);
        sample(request, sampler, noise, x, own, b, batches);
        fetch(x, samples, first * image);
      }
    }
    return new GeneratedImages(
        count, side, side, channels(), samples, labels, request.parameters(name, backend.name()));
  }

  /**
   * The scripts draw for both halves of a guided batch, so their generator advances twice as far.
   */
  private Noise shared(ImageRequest request) {
    int copies = request.guidance == 1 ? 1 : 2;
    return switch (request.rng) {
      case IMAGE -> null;
      case TORCH -> Noise.batch(new TorchRandom(request.seed), copies, backend);
      case CUDA -> Noise.batch(new PhiloxRandom(request.seed), copies, backend);
    };
  }

  private void sample(
      ImageRequest request,
      Sampler sampler,
      Noise noise,
      Tensor x,
      long[] labels,
      int batch,
      int batches)
      throws InterruptedException {
    int size = labels.length;
    try (var conditional = new DiTDenoiser(network, workspace, 2 * size);
        var guided =
            new ClassifierFreeGuidance(
                conditional,
                labels,
                // without guidance no null label is evaluated
                Math.max(0, model.sampling().nullClass()),
                GuidanceScale.constant(request.guidance),
                request.guidanceChannels == 0 ? channels() : request.guidanceChannels,
                backend,
                workspace)) {
      sampler.sample(guided, x, noise, backend, workspace, steps(request, labels, batch, batches));
    }
  }

  private StepListener steps(ImageRequest request, long[] labels, int batch, int batches) {
    var event = new StepEvent();
    event.begin();
    return (done, steps, x0) -> {
      if (done == 1) {
        requireFinite(x0);
      }
      event.end(); // an event that is used again would keep the duration of its first use
      if (event.shouldCommit()) {
        event.step = done;
        event.steps = steps;
        event.pictures = labels.length;
        event.commit();
      }
      event.begin();
      if (request.listener != null) {
        request.listener.progress(
            batch * steps + done,
            batches * steps,
            () -> {
              float[] samples = new float[(int) x0.shape().size()];
              fetch(x0, samples, 0);
              return new GeneratedImages(
                  x0.dim(0),
                  x0.dim(1),
                  x0.dim(2),
                  x0.dim(3),
                  samples,
                  labels,
                  request.parameters(name, backend.name()));
            });
      }
    };
  }

  /** Weights that hold NaN or infinity load without complaint; this is where they show. */
  private void requireFinite(Tensor x0) {
    float[] values = new float[(int) x0.shape().size()];
    fetch(x0, values, 0);
    for (float value : values) {
      if (!Float.isFinite(value)) {
        throw new GenerationException(
            name
                + ": the network gave "
                + value
                + " in the first step; its weights hold NaN or infinity, get the file anew");
      }
    }
  }

  private void fetch(Tensor from, float[] to, int at) {
    try (var host = Tensor.allocate(DType.F32, from.shape())) {
      backend.copy(from, host);
      float[] values = host.toFloats();
      System.arraycopy(values, 0, to, at, values.length);
    }
  }

  private Sampler sampler(ImageRequest request) {
    var training = model.sampling().noiseSchedule();
    var schedule = training.respace(respacing(request, training));
    var prediction = model.sampling().prediction();
    return switch (request.sampler) {
      case "ddim" -> new DdimSampler(schedule, prediction, request.clip, request.eta);
      case "ddpm" ->
          new DdpmSampler(schedule, prediction, model.sampling().variance(), request.clip);
      default -> throw new IllegalStateException(request.sampler);
    };
  }

  /**
   * The equal strides of DDIM where there are any for this number of steps, else DDPM's even
   * spread.
   */
  private static Respacing respacing(ImageRequest request, NoiseSchedule training) {
    if (request.sampler.equals("ddim")) {
      try {
        var strided = Respacing.parse("ddim" + request.steps);
        strided.timesteps(training.steps());
        return strided;
      } catch (IllegalArgumentException e) {
        // no whole stride gives so many steps
      }
    }
    return Respacing.parse(Integer.toString(request.steps));
  }

  @Override
  public void close() {
    workspace.close();
    network.close();
    if (ownsBackend) {
      backend.close();
    }
  }
}
