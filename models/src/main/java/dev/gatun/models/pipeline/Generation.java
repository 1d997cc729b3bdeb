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
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.SequencedMap;

/**
 * One request at work: cuts it into batches, and takes each from noise to pixels.
 *
 * <pre>
 *   noise ─ sampler ─ latents ─ autoencoder ─ pixels ─ model that enlarges ─ larger pixels
 * </pre>
 */
final class Generation {
  private final ImagePipeline pipeline;
  private final ImageRequest request;
  private final Backend backend;
  private final Pass pass;
  private final Noise shared;

  /** What enlarges, and the request to it; both null where nothing does. */
  private final ImagePipeline upsampler;

  private final ImageRequest second;

  /** What would make the pictures again. */
  private final SequencedMap<String, String> parameters;

  private Progress progress;

  /**
   * One of the stages of a batch.
   *
   * @param number 0 for the first
   * @param maker what makes its pictures
   * @param pass what it does
   * @param size height and width of its pictures
   */
  private record Stage(int number, ImagePipeline maker, Pass pass, int size) {}

  Generation(ImagePipeline pipeline, ImageRequest request) {
    this.pipeline = pipeline;
    this.request = request;
    backend = pipeline.backend();
    request.check();
    pass = new Pass(pipeline, request);
    shared = shared();
    upsampler = pipeline.companions().upsampler;
    second = upsampler == null ? null : request.toEnlarge(upsampler);
    parameters = Collections.unmodifiableSequencedMap(request.parameters());
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
    if (count > Batch.MAX_NUMBERS / image) {
      throw new IllegalArgumentException(
          "count is "
              + count
              + ", expected at most "
              + Batch.MAX_NUMBERS / image
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
        parameters);
  }

  /** Makes the pictures that a sink wants, and returns how many these were. */
  int each(ImageSink sink) throws InterruptedException, IOException {
    try (var _ = pipeline.ownership().take()) {
      var wanted = new BitSet();
      for (int i = 0; i < request.pictures(); i++) {
        wanted.set(i, sink.wants(i));
      }
      var batches = Batch.of(request, wanted);
      progress =
          upsampler == null
              ? new Progress(batches.size(), request.steps())
              : new Progress(batches.size(), request.steps(), second.steps());
      for (var batch : batches) {
        var images = make(batch);
        for (int i = 0; i < batch.count(); i++) {
          if (wanted.get(batch.first() + i)) {
            sink.accept(batch.first() + i, images.one(i));
          }
        }
      }
      return wanted.cardinality();
    }
  }

  private GeneratedImages make(Batch batch) throws InterruptedException {
    int side = pipeline.network().config().inputSize();
    long[] labels = new long[batch.count()];
    var prompts = new ArrayList<String>();
    for (int i = 0; i < batch.count(); i++) {
      labels[i] = request.label(batch.first() + i);
      prompts.add(request.prompt(batch.first() + i));
    }
    var noise = shared != null ? shared : Noise.perImage(request.seed, batch.first(), backend);
    var shown = pipeline.classCount() == 0 ? new long[0] : labels;
    var stage = new Stage(0, pipeline, pass, pipeline.firstSize());
    try (var x =
        backend.allocate(DType.F32, Shape.of(batch.count(), side, side, pipeline.channels()))) {
      noise.begin(x);
      pass.sample(x, noise, labels, prompts, batch.first(), steps(stage, shown));
      var images = images(batch.count(), stage.size, pass.finished(x), shown, pipeline);
      return upsampler == null ? images : enlarged(images, labels, batch);
    }
  }

  /** The second stage: from the first one's bytes, as the authors hand them on. */
  private GeneratedImages enlarged(GeneratedImages images, long[] labels, Batch batch)
      throws InterruptedException {
    var enlarging = new Pass(upsampler, second.lowResolution(images));
    int side = upsampler.network().config().inputSize();
    var stage = new Stage(1, upsampler, enlarging, side);
    var noise = Noise.perImage(request.seed ^ SECOND_STAGE, batch.first(), backend);
    try (var x =
        backend.allocate(DType.F32, Shape.of(batch.count(), side, side, upsampler.channels()))) {
      noise.begin(x);
      enlarging.sample(x, noise, labels, List.of(), 0, steps(stage, images.labels()));
      return images(batch.count(), side, enlarging.finished(x), images.labels(), upsampler);
    }
  }

  /** Keeps the noise of the second stage apart from that of the first. */
  private static final long SECOND_STAGE = 0x5DEECE66DL;

  private StepListener steps(Stage stage, long[] labels) {
    progress.begin(stage.number);
    var event = new StepEvent();
    event.begin();
    return (done, steps, x0) -> {
      event.end(); // an event that is used again would keep the duration of its first use
      if (event.shouldCommit()) {
        event.step = done;
        event.steps = steps;
        event.pictures = x0.dim(0);
        event.commit();
      }
      event.begin();
      progress.step(done, steps);
      if (request.listener != null) {
        request.listener.progress(
            progress.done(),
            progress.total(),
            () -> images(x0.dim(0), stage.size, stage.pass.pixels(x0), labels, stage.maker));
      }
    };
  }
}
