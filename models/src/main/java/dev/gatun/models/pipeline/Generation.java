package dev.gatun.models.pipeline;

import dev.gatun.models.diffusion.Noise;
import dev.gatun.models.diffusion.StepListener;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.models.uvit.UViTConfig;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.random.PhiloxRandom;
import dev.gatun.runtime.random.TorchRandom;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/**
 * One request at work: cuts it into batches, and takes each from noise to pixels.
 *
 * <pre>
 *   noise ─ sampler ─ latents ─ autoencoder ─ pixels ─ model that enlarges ─ larger pixels
 * </pre>
 */
final class Generation {
  /** The most numbers that the pictures of a request may have together: what an array holds. */
  private static final int MAX_NUMBERS = Integer.MAX_VALUE - 8;

  private final ImagePipeline pipeline;
  private final ImageRequest request;
  private final Backend backend;
  private final Pass pass;
  private final Noise shared;

  /** What enlarges, and the request to it; both null where nothing does. */
  private final ImagePipeline upsampler;

  private final ImageRequest second;

  /** Images {@code first … first + count - 1}, computed together, as one of several batches. */
  private record Batch(int first, int count, int number, int batches) {
    Batch of(int place, int all) {
      return new Batch(first, count, place, all);
    }
  }

  /**
   * One of the two stages of a batch, as progress counts it.
   *
   * @param maker what makes its pictures
   * @param pass what it does
   * @param size height and width of its pictures
   * @param before steps of the stage before it
   * @param after steps of the stage after it
   */
  private record Stage(ImagePipeline maker, Pass pass, int size, int before, int after) {}

  Generation(ImagePipeline pipeline, ImageRequest request) {
    this.pipeline = pipeline;
    this.request = request;
    backend = pipeline.backend();
    request.check();
    pass = new Pass(pipeline, request);
    shared = shared();
    upsampler = pipeline.companions().upsampler;
    second = upsampler == null ? null : request.toEnlarge(upsampler);
  }

  /** One generator for all batches, or null where each image has its own. */
  private Noise shared() {
    // The scripts of DiT and DiffiT draw for both halves of a guided batch, so their generator
    // advances twice as far; U-ViT's evaluate the network twice and draw once.
    boolean doubled =
        pipeline.guidance() == Guidance.CLASSIFIER_FREE
            && request.guidance() != 1
            && !(pipeline.network().config() instanceof UViTConfig);
    return switch (request.rng) {
      case IMAGE -> null;
      case TORCH -> Noise.batch(new TorchRandom(request.seed), doubled ? 2 : 1, backend);
      case CUDA -> Noise.batch(new PhiloxRandom(request.seed), doubled ? 2 : 1, backend);
    };
  }

  /** Makes all pictures. */
  GeneratedImages all() throws InterruptedException {
    int count = request.pictures();
    int side = pipeline.size();
    long image = (long) side * side * pipeline.pictureChannels();
    if (count > MAX_NUMBERS / image) {
      throw new IllegalArgumentException(
          "count is "
              + count
              + ", expected at most "
              + MAX_NUMBERS / image
              + " pictures of this size in one request");
    }
    float[] samples = new float[(int) (count * image)];
    long[] labels = new long[pipeline.classCount() == 0 ? 0 : count];
    ImageSink keep =
        (index, one) -> {
          System.arraycopy(one.samples(), 0, samples, (int) (index * image), (int) image);
          if (labels.length > 0) {
            labels[index] = request.label(index);
          }
        };
    try {
      each(keep);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // the sink above throws none
    }
    return images(count, side, samples, labels, upsampler == null ? pipeline : upsampler);
  }

  private GeneratedImages images(
      int count, int side, float[] samples, long[] labels, ImagePipeline maker) {
    return new GeneratedImages(
        count,
        side,
        side,
        pipeline.pictureChannels(),
        samples,
        labels,
        maker.model().recipe().sampling().rounding(),
        request.parameters());
  }

  /** Makes the pictures that a sink wants, and returns how many these were. */
  int each(ImageSink sink) throws InterruptedException, IOException {
    var batches = batches(sink);
    int made = 0;
    for (int b = 0; b < batches.size(); b++) {
      var batch = batches.get(b).of(b, batches.size());
      var images = make(batch);
      for (int i = 0; i < batch.count; i++) {
        sink.accept(batch.first + i, images.one(i));
      }
      made += batch.count;
    }
    return made;
  }

  /** Runs of wanted pictures, none longer than a batch. */
  private List<Batch> batches(ImageSink sink) {
    var batches = new ArrayList<Batch>();
    int most = request.batch();
    int count = 0;
    for (int i = 0; i < request.pictures(); i++) {
      // noise that all pictures share must be drawn for all of them
      count = shared != null || sink.wants(i) ? count + 1 : 0;
      boolean more =
          i + 1 < request.pictures() && count < most && (shared != null || sink.wants(i + 1));
      if (count > 0 && !more) {
        batches.add(new Batch(i + 1 - count, count, 0, 0));
        count = 0;
      }
    }
    return batches;
  }

  private GeneratedImages make(Batch batch) throws InterruptedException {
    int side = pipeline.network().config().inputSize();
    long[] labels = new long[batch.count];
    var prompts = new ArrayList<String>();
    for (int i = 0; i < batch.count; i++) {
      labels[i] = request.label(batch.first + i);
      prompts.add(request.prompt(batch.first + i));
    }
    var noise = shared != null ? shared : Noise.perImage(request.seed, batch.first, backend);
    var shown = pipeline.classCount() == 0 ? new long[0] : labels;
    int after = upsampler == null ? 0 : second.steps();
    var stage = new Stage(pipeline, pass, pipeline.firstSize(), 0, after);
    try (var x =
        backend.allocate(DType.F32, Shape.of(batch.count, side, side, pipeline.channels()))) {
      noise.begin(x);
      pass.sample(x, noise, labels, prompts, batch.first, steps(stage, shown, batch));
      var images = images(batch.count, stage.size, pass.pixels(x), shown, pipeline);
      return upsampler == null ? images : enlarged(images, labels, batch);
    }
  }

  /** The second stage: from the first one's bytes, as the authors hand them on. */
  private GeneratedImages enlarged(GeneratedImages images, long[] labels, Batch batch)
      throws InterruptedException {
    var enlarging = new Pass(upsampler, second.lowResolution(images));
    int side = upsampler.network().config().inputSize();
    var stage = new Stage(upsampler, enlarging, side, request.steps(), 0);
    var noise = Noise.perImage(request.seed ^ SECOND_STAGE, batch.first, backend);
    try (var x =
        backend.allocate(DType.F32, Shape.of(batch.count, side, side, upsampler.channels()))) {
      noise.begin(x);
      var listener = steps(stage, images.labels(), batch);
      enlarging.sample(x, noise, labels, List.of(), 0, listener);
      return images(batch.count, side, enlarging.pixels(x), images.labels(), upsampler);
    }
  }

  /** Keeps the noise of the second stage apart from that of the first. */
  private static final long SECOND_STAGE = 0x5DEECE66DL;

  private StepListener steps(Stage stage, long[] labels, Batch batch) {
    var event = new StepEvent();
    event.begin();
    return (done, steps, x0) -> {
      if (done == 1) {
        stage.pass.requireFinite(x0);
      }
      event.end(); // an event that is used again would keep the duration of its first use
      if (event.shouldCommit()) {
        event.step = done;
        event.steps = steps;
        event.pictures = x0.dim(0);
        event.commit();
      }
      event.begin();
      if (request.listener != null) {
        int each = stage.before + steps + stage.after;
        request.listener.progress(
            batch.number * each + stage.before + done,
            batch.batches * each,
            () -> images(x0.dim(0), stage.size, stage.pass.pixels(x0), labels, stage.maker));
      }
    };
  }
}
