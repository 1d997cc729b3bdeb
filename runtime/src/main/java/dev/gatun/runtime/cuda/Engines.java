package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;

/**
 * Which of cuDNN's engines may be taken.
 *
 * @param exact none that rounds f32 factors, as tensor cores do
 * @param ready none that compiles a kernel when it is planned, which takes from one to three
 *     seconds for each shape: a U-Net has dozens
 */
record Engines(boolean exact, boolean ready) {
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
        // Results that differ from run to run are never wanted.
        if (note == Cudnn.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC() || exact && rounds(note)) {
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

  private static boolean rounds(int note) {
    return note == Cudnn.CUDNN_NUMERICAL_NOTE_TENSOR_CORE()
        || note == Cudnn.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS()
        || note == Cudnn.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION();
  }
}
