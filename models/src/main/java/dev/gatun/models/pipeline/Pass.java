package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.adm.AdmSuperRes;
import dev.gatun.models.adm.AdmUNet;
import dev.gatun.models.adm.ClassifierGradient;
import dev.gatun.models.diffusion.ClassifierFreeGuidance;
import dev.gatun.models.diffusion.ConditionalDenoiser;
import dev.gatun.models.diffusion.Denoiser;
import dev.gatun.models.diffusion.GuidanceScale;
import dev.gatun.models.diffusion.NoStepException;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.models.diffusion.Sampling;
import dev.gatun.models.diffusion.StepListener;
import dev.gatun.models.layers.Weights;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.List;

/** What a request does to each of its batches: guided sampling, decoding, a look at the result. */
final class Pass {
  private final ImagePipeline pipeline;
  private final ImageRequest request;
  private final Backend backend;
  private final Workspace workspace;
  private final Recipe recipe;
  private final Sampling sampling;

  Pass(ImagePipeline pipeline, ImageRequest request) {
    this.pipeline = pipeline;
    this.request = request;
    backend = pipeline.backend();
    workspace = pipeline.workspace();
    recipe = pipeline.model().recipe();
    sampling = request.sampling();
  }

  /**
   * Samples in place.
   *
   * <p>Weights that hold NaN or infinity load without complaint; here is where they show.
   *
   * @param x {@code [N, H, W, C]}, noise
   * @param labels of the images; not looked at by a model without classes
   * @param prompts of the images; not looked at by a model without texts
   * @param first number of the first image
   * @param listener told after each step; or null
   * @throws GenerationException if what comes out are no numbers
   */
  void sample(
      Tensor x, Noise noise, long[] labels, List<String> prompts, int first, StepListener listener)
      throws InterruptedException {
    int n = x.dim(0);
    try (var own = new Weights(backend, null)) {
      var network = pipeline.network();
      if (pipeline.enlarges()) {
        network = own.own(new AdmSuperRes((AdmUNet) network, own.own(lowResolution(first, n))));
      }
      var conditional = own.own(new NetworkDenoiser(network, workspace, 2 * n));
      var denoiser = conditioned(conditional, labels, prompts, own);
      ClassifierGradient gradient = null;
      if (pipeline.guidance() == Guidance.CLASSIFIER && request.guidance() != 0) {
        var classifier = pipeline.companions().classifier;
        try (var classes = Tensor.of(Shape.of(n), labels)) {
          gradient = own.own(new ClassifierGradient(classifier, classes, request.guidance()));
        }
        denoiser = denoiser.guidedBy(gradient);
      }
      var seen = sampling.denoiser(denoiser, x.dim(3), backend, workspace);
      var blame = new Blame(pipeline, gradient, x.shape());
      try {
        sampling.sampler().sample(seen, x, noise, backend, workspace, watched(listener, blame));
      } catch (NoStepException e) {
        throw blame.adaptive(e);
      }
      if (!isFinite(fetch(x))) {
        throw blame.late();
      }
    }
  }

  /** What the classifier does in the first step shows in the second. */
  private StepListener watched(StepListener listener, Blame blame) {
    return (done, steps, x0) -> {
      if (done <= 2 && !isFinite(fetch(x0))) {
        throw done == 1 ? blame.first() : blame.late();
      }
      if (listener != null) {
        listener.step(done, steps, x0);
      }
    };
  }

  /** The network with what the images are to show settled, guided where it is. */
  private Denoiser conditioned(
      ConditionalDenoiser network, long[] labels, List<String> prompts, Weights own) {
    boolean guided = pipeline.guidance() == Guidance.CLASSIFIER_FREE && request.guidance() != 1;
    var condition =
        switch (pipeline.network().config().conditioning()) {
          case NONE -> null;
          case LABEL -> own.own(onDevice(Tensor.of(Shape.of(labels.length), labels)));
          case TEXT -> own.own(encoded(prompts));
        };
    if (!guided) {
      return network.given(condition);
    }
    var none =
        pipeline.network().config().conditioning() == Conditioning.TEXT
            ? encoded(List.of(""))
            : Tensor.of(Shape.of(1), (long) recipe.training().nullClass());
    return own.own(
        new ClassifierFreeGuidance(
            network, condition, own.own(none), scale(), guidedChannels(), backend, workspace));
  }

  private Tensor encoded(List<String> prompts) {
    var condition = pipeline.companions().text.encode(prompts);
    if (!isFinite(fetch(condition))) {
      condition.close();
      throw Blame.of(pipeline, "text-encoder", "the text encoder gave no numbers");
    }
    return condition;
  }

  private GuidanceScale scale() {
    double power = recipe.sampling().guidancePower();
    return power == 0
        ? GuidanceScale.constant(request.guidance())
        : GuidanceScale.powerCosine(request.guidance(), power, recipe.training().steps());
  }

  private int guidedChannels() {
    return request.guidanceChannels == 0 ? pipeline.channels() : request.guidanceChannels;
  }

  /** Moves a host tensor to the device. */
  private Tensor onDevice(Tensor host) {
    try (host) {
      var device = backend.allocate(host.dtype(), host.shape());
      backend.copy(host, device);
      return device;
    }
  }

  /** The pictures to be enlarged, {@code level/127.5 − 1}, as the authors read them from bytes. */
  private Tensor lowResolution(int first, int count) {
    var images = request.lowResolution;
    int size = images.height() * images.width() * images.channels();
    var host =
        Tensor.allocate(
            DType.F32, Shape.of(count, images.height(), images.width(), images.channels()));
    for (int i = 0; i < count; i++) {
      int from = (first + i) % images.count() * size;
      for (int j = 0; j < size; j++) {
        int level = images.rounding().level(images.samples()[from + j]);
        host.setFloat((long) i * size + j, level / 127.5f - 1);
      }
    }
    return onDevice(host);
  }

  /** The pixels of finished images, which must be numbers. */
  float[] finished(Tensor x) {
    float[] pixels = pixels(x);
    if (!isFinite(pixels)) {
      throw Blame.of(pipeline, "vae", "the autoencoder made no numbers of sound latents");
    }
    return pixels;
  }

  /** The pixels of images, or of the pictures that latents decode to, {@code [N, H, W, C]}. */
  float[] pixels(Tensor x) {
    if (!recipe.training().latent()) {
      return fetch(x);
    }
    var autoencoder = pipeline.companions().autoencoder;
    int factor = autoencoder.config().factor();
    var shape = Shape.of(x.dim(0), factor * x.dim(1), factor * x.dim(2), ImagePipeline.COLOURS);
    try (var images = backend.allocate(DType.F32, shape)) {
      autoencoder.decode(x, recipe.training().latentScale(), workspace, images);
      return fetch(images);
    }
  }

  private static boolean isFinite(float[] values) {
    for (float value : values) {
      if (!Float.isFinite(value)) {
        return false;
      }
    }
    return true;
  }

  private float[] fetch(Tensor from) {
    try (var host = Tensor.allocate(DType.F32, from.shape())) {
      backend.copy(from, host);
      return host.toFloats();
    }
  }
}
