package dev.gatun.models.checkpoint;

/**
 * How much memory a file may make its reader use, whatever its numbers say. Who is about to keep
 * something takes its size first; honest files come nowhere near the limit.
 */
final class ByteBudget {
  /** Enough to describe about 200,000 tensors; published checkpoints have about 1,000. */
  static final long DESCRIPTION = 128L << 20;

  private final String file;
  private final long limit;
  private final String purpose;
  private long left;

  /**
   * A budget.
   *
   * @param purpose what the memory is for, to complete "needs more than 9 bytes for"
   */
  ByteBudget(String file, long limit, String purpose) {
    this.file = file;
    this.limit = limit;
    this.purpose = purpose;
    this.left = limit;
  }

  /** Takes a number of bytes, not negative. */
  void take(long bytes) throws CheckpointException {
    if (bytes > left) {
      throw new CheckpointException(
          file,
          "needs more than "
              + limit
              + " bytes of memory for "
              + purpose
              + ", which no honest checkpoint does; get the file from a source you trust");
    }
    left -= bytes;
  }

  /** How many bytes may still be taken. */
  long left() {
    return left;
  }
}
