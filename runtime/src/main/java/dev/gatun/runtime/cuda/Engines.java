package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;

/**
 * Which of cuDNN's engines may be taken: none whose results differ from run to run, whose sums are
 * not f32, or that converts its operands to smaller types.
 *
 * @param exact none that rounds f32 factors, as tensor cores do
 * @param ready none that compiles a kernel when it is planned, which takes from one to three
 *     seconds for each shape: a U-Net has dozens
 * @param workspace most bytes that one may need while it runs; Winograd's takes gigabytes for large
 *     maps
 */
record Engines(boolean exact, boolean ready, long workspace) {
  private static final int MOST_NOTES = 32;

  /** Whether an engine may be taken. */
  boolean allow(Descriptor configuration) {
    try (var engine = new Descriptor(Cudnn.CUDNN_BACKEND_ENGINE_DESCRIPTOR())) {
      configuration.get(Cudnn.CUDNN_ATTR_ENGINECFG_ENGINE(), engine);
      int[] numerical =
          engine.getChoices(
              Cudnn.CUDNN_ATTR_ENGINE_NUMERICAL_NOTE(),
              Cudnn.CUDNN_TYPE_NUMERICAL_NOTE(),
              MOST_NOTES);
      for (int note : numerical) {
        if (note == Cudnn.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC()
            || note == Cudnn.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS()
            || note == Cudnn.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION()
            || exact && note == Cudnn.CUDNN_NUMERICAL_NOTE_TENSOR_CORE()) {
          return false;
        }
      }
      int[] behaviour =
          engine.getChoices(
              Cudnn.CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE(),
              Cudnn.CUDNN_TYPE_BEHAVIOR_NOTE(),
              MOST_NOTES);
      for (int note : behaviour) {
        if (ready && note == Cudnn.CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION()) {
          return false;
        }
      }
      return true;
    }
  }
}
