package dev.gatun.models.pipeline;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Pictures of a request that are computed together.
 *
 * @param first number of the first
 * @param count how many
 */
record Batch(int first, int count) {
  /** The most pictures of a batch. */
  static final int MOST = 1 << 12;

  /** The most numbers that a batch, or all pictures of a request, may have: an array holds them. */
  static final int MAX_NUMBERS = Integer.MAX_VALUE - 8;

  /** Requires that the batches of a request can be computed. */
  static void requireFits(ImagePipeline pipeline, ImageRequest request) {
    long side = pipeline.network().config().inputSize();
    // with room for both halves of a guided batch, whose noise may be drawn at once
    long sampled = 2 * side * side * pipeline.channels();
    long pixels = (long) pipeline.size() * pipeline.size() * pipeline.pictureChannels();
    long most = Math.min(MOST, MAX_NUMBERS / Math.max(sampled, pixels));
    int together = Math.min(request.batch(), request.pictures());
    if (together > most) {
      throw new IllegalArgumentException(
          together
              + " pictures are to be computed together, expected at most "
              + most
              + " of this size; give --batch N, in Java batch(n)");
    }
  }

  /** The batches of a request that hold something wanted, in order. */
  static List<Batch> of(ImageRequest request, BitSet wanted) {
    var batches = new ArrayList<Batch>();
    int most = request.batch();
    if (request.rng() != Rng.IMAGE) {
      // noise that all pictures share is drawn for all that come before a wanted one
      for (int first = 0; first < wanted.length(); first += most) {
        batches.add(new Batch(first, Math.min(most, request.pictures() - first)));
      }
      return batches;
    }
    int end;
    for (int first = wanted.nextSetBit(0); first >= 0; first = wanted.nextSetBit(end)) {
      end = Math.min(wanted.nextClearBit(first), first + most);
      batches.add(new Batch(first, end - first));
    }
    return batches;
  }
}
