package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;

import dev.gatun.runtime.OperatorChecks;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * The embeddings in host memory, for every backend whose tensors lie there. Types, shapes and
 * aliasing have been checked; nothing is allocated.
 */
public final class HostEmbedding {
  private HostEmbedding() {}

  /**
   * {@link dev.gatun.runtime.Backend#embed}.
   *
   * @throws IndexOutOfBoundsException if an id has no entry; nothing is written then
   */
  public static void embed(Tensor table, Tensor ids, Tensor out) {
    long count = ids.shape().size();
    int entries = table.dim(0);
    for (long i = 0; i < count; i++) {
      long id = ids.getLong(i);
      if (id < 0 || id >= entries) {
        throw OperatorChecks.noEntry(i, id, table);
      }
    }
    long bytes = 4L * table.dim(1);
    if (bytes == 0) {
      return;
    }
    var source = table.segment();
    var target = out.segment();
    for (long i = 0; i < count; i++) {
      MemorySegment.copy(source, row(table, ids.getLong(i)), target, row(out, i), bytes);
    }
  }

  /**
   * {@link dev.gatun.runtime.Backend#timestepEmbedding}, rounded to f32 where PyTorch rounds:
   * logarithm, product, quotient, frequency, angle, result.
   */
  public static void timestepEmbedding(Tensor t, double maxPeriod, Tensor out) {
    var target = out.segment();
    int width = out.shape().cols();
    int half = width / 2;
    float log = (float) -Math.log(maxPeriod);
    float before = 0;
    for (int n = 0; n < t.dim(0); n++) {
      float time = t.getFloat(n);
      long at = row(out, n);
      if (n > 0 && Float.compare(time, before) == 0) {
        // A batch mostly has one time, and the row above is this one.
        MemorySegment.copy(target, row(out, n - 1), target, at, 4L * width);
        continue;
      }
      for (int i = 0; i < half; i++) {
        float frequency = (float) Math.exp(log * i / half);
        float angle = time * frequency;
        target.set(FLOAT, at + 4L * i, (float) Math.cos(angle));
        target.set(FLOAT, at + 4L * (half + i), (float) Math.sin(angle));
      }
      if (width % 2 == 1) {
        target.set(FLOAT, at + 4L * (width - 1), 0);
      }
      before = time;
    }
  }
}
