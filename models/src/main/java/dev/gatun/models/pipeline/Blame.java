package dev.gatun.models.pipeline;

import dev.gatun.models.adm.ClassifierGradient;
import dev.gatun.models.diffusion.NoStepException;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;

/**
 * Finds the file that is to blame for pictures that are no numbers: weights that hold NaN or
 * infinity load without complaint.
 *
 * @param pipeline that made the pictures
 * @param gradient of the classifier that guided; or null
 * @param shape of the pictures
 */
record Blame(ImagePipeline pipeline, ClassifierGradient gradient, Shape shape) {
  private static final String CURE = "; its weights hold NaN or infinity, get the file anew";

  /** For what came out of the first step. */
  GenerationException first() {
    return classifierFails()
        ? classifier()
        : new GenerationException(
            pipeline.name() + ": the network gave NaN or infinity in the first step" + CURE);
  }

  /** For what came out later, which may be large numbers that grew. */
  GenerationException late() {
    return classifierFails()
        ? classifier()
        : new GenerationException(
            pipeline.name()
                + ": the pictures became NaN or infinity on the way; weaken the guidance, or get"
                + " the file anew");
  }

  /** For a sampler that found no step short enough. */
  GenerationException adaptive(NoStepException e) {
    return classifierFails()
        ? classifier()
        : new GenerationException(pipeline.name() + ": " + e.getMessage());
  }

  /**
   * For another model of the pipeline.
   *
   * @param part by the name of the command line's option
   */
  static GenerationException of(ImagePipeline pipeline, String part, String fact) {
    var file = pipeline.companions().sources().get(part).name();
    return new GenerationException(file + ": " + fact + CURE);
  }

  private GenerationException classifier() {
    return of(pipeline, "classifier", "the classifier gave no numbers for a grey picture");
  }

  private boolean classifierFails() {
    if (gradient == null) {
      return false;
    }
    var backend = pipeline.backend();
    try (var grey = backend.allocate(DType.F32, shape);
        var out = backend.allocate(DType.F32, shape);
        var host = Tensor.allocate(DType.F32, shape)) {
      gradient.at(grey, 0, out);
      backend.copy(out, host);
      for (float value : host.toFloats()) {
        if (!Float.isFinite(value)) {
          return true;
        }
      }
      return false;
    }
  }
}
