package dev.gatun.models.pipeline;

/** Is told of the progress of a generation, on the thread that generates. */
@FunctionalInterface
public interface ProgressListener {
  /**
   * A step is done.
   *
   * @param done how many steps are done, over all batches: 1 more than in the call before
   * @param total how many there are, never less than are done; an estimate, which may rise and
   *     fall, where a sampler chooses its own steps
   * @param preview the pictures of the present batch as the network sees them now; valid during the
   *     call only
   */
  void progress(int done, int total, Preview preview);

  /** The unfinished pictures of a batch. */
  @FunctionalInterface
  interface Preview {
    /** Fetches them; this costs a copy, so a listener that shows nothing does not call it. */
    GeneratedImages images();
  }
}
