package dev.gatun.models.pipeline;

/** Is told of the progress of a generation, on the thread that generates. */
@FunctionalInterface
public interface ProgressListener {
  /**
   * A step is done.
   *
   * @param done how many steps are done, over all batches, from 1
   * @param total how many there are
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
