package dev.gatun.models.pipeline;

/**
 * Counts the steps of a request over all its batches and their stages. How many steps a stage has
 * shows while it goes on, where the sampler decides on it; the batches to come are expected to be
 * like the present one.
 */
final class Progress {
  private final int batches;

  /** How many steps each stage of a batch has, as far as one knows. */
  private final int[] lengths;

  private int batch;
  private int stage;

  /** Steps of the stages that are over. */
  private long before;

  /** Steps of the present stage. */
  private int done;

  /**
   * @param batches how many
   * @param lengths how many steps the stages of a batch are expected to have
   */
  Progress(int batches, int... lengths) {
    this.batches = batches;
    this.lengths = lengths;
  }

  /** A stage begins; with the first one a batch. */
  void begin(int number) {
    before += done;
    done = 0;
    stage = number;
    batch += number == 0 ? 1 : 0;
  }

  /**
   * Steps of the present stage are done.
   *
   * @param steps how many there are, for all that is known
   */
  void step(int number, int steps) {
    done = number;
    lengths[stage] = Math.max(number, steps);
  }

  /** How many steps are done. */
  int done() {
    return clamped(before + done);
  }

  /** How many there are, for all that is known; never less than are done. */
  int total() {
    long each = 0;
    long rest = 0;
    for (int i = 0; i < lengths.length; i++) {
      each += lengths[i];
      rest += i < stage ? 0 : lengths[i];
    }
    return clamped(before + rest + (batches - batch) * each);
  }

  private static int clamped(long steps) {
    return (int) Math.min(steps, Integer.MAX_VALUE);
  }
}
