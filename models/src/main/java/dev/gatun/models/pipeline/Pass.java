package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.adm.ClassifierGradient;
import dev.gatun.models.diffusion.ClassifierFreeGuidance;
import dev.gatun.models.diffusion.Denoiser;
import dev.gatun.models.diffusion.GuidanceScale;
import dev.gatun.models.diffusion.Noise;
import dev.gatun.models.diffusion.StepListener;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.List;

/** What a request does to each of its batches: sampling with guidance, decoding, checking. */
final class Pass {
  private final ImagePipeline pipeline;
  private final ImageRequest request;
  private final Backend backend;
  private final Workspace workspace;
  private final Training training;

  Pass(ImagePipeline pipeline, ImageRequest request) {
    this.pipeline = pipeline;
    this.request = request;
    backend = pipeline.backend();
    workspace = pipeline.workspace();
    training = pipeline.model().recipe().training();
  }

  /**
   * Samples in place.
   *
   * @param x {@code [N, H, W, C]}, noise
   * @param labels of the images; not looked at by a model without classes
   * @param prompts of the images; not looked at by a model without texts
   * @param first number of the first image
   */
  void sample(
      Tensor x, Noise noise, long[] labels, List<String> prompts, int first, StepListener listener)
      throws InterruptedException {
    var network = pipeline.network();
    int n = x.dim(0);
    try (var owned = new Owned();
        var conditional = new NetworkDenoiser(network, workspace, 2 * n)) {
      Denoiser denoiser;
      var condition = owned.keep(condition(labels, prompts));
      if (pipeline.guidance() == Guidance.CLASSIFIER_FREE && request.guidance != 1) {
        var none = owned.keep(nullCondition());
        denoiser =
            owned.keep(
                new ClassifierFreeGuidance(
                    conditional, condition, none, scale(), guidedChannels(), backend, workspace));
      } else {
        denoiser = conditional.given(condition);
      }
      if (pipeline.enlarges()) {
        denoiser = owned.keep(new EnlargingDenoiser(pipeline, denoiser, request, first, n));
      }
      if (pipeline.guidance() == Guidance.CLASSIFIER && request.guidance != 0) {
        var classifier = pipeline.companions().classifier;
        denoiser =
            denoiser.guidedBy(
                owned.keep(new ClassifierGradient(classifier, labels, request.guidance)));
      }
      var plan = RequestSampler.of(training, request, denoiser);
      plan.sampler().sample(plan.denoiser(), x, noise, backend, workspace, listener);
    }
  }
}
