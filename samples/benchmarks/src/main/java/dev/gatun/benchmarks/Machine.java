package dev.gatun.benchmarks;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.Collections;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * What the processor and its memory can do at best, measured beside each benchmark, because the
 * clock of a shared machine comes and goes.
 */
final class Machine {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;

  /** Independent chains: two multiply-adds a cycle, each of four cycles, need eight. */
  private static final int CHAINS = 10;

  private static final int TURNS = 2_000_000;
  private static final int TRIES = 10;
  private static final int COPIED = 1 << 25; // floats, beyond the usual caches

  /** Keeps the compiler from dropping the sums. */
  private static volatile float sink;

  private Machine() {}

  /** Fused multiply-adds of so many threads together, in GFLOP/s: the best of some tries. */
  static double multiplyAdds(int threads) {
    try (var pool = Executors.newFixedThreadPool(threads)) {
      double best = 0;
      for (int i = 0; i < TRIES; i++) {
        Callable<Double> one = Machine::multiplyAdds;
        double together = 0;
        for (var speed : pool.invokeAll(Collections.nCopies(threads, one))) {
          together += speed.get();
        }
        best = Math.max(best, together);
      }
      return best;
    } catch (InterruptedException | ExecutionException e) {
      throw new IllegalStateException("the peak could not be measured", e);
    }
  }

  private static double multiplyAdds() {
    var x = FloatVector.broadcast(S, 0.999f);
    var y = FloatVector.broadcast(S, 0.001f);
    var a = y;
    var b = y;
    var c = y;
    var d = y;
    var e = y;
    var f = y;
    var g = y;
    var h = y;
    var k = y;
    var l = y;
    long begin = System.nanoTime();
    for (int i = 0; i < TURNS; i++) {
      a = a.fma(x, y);
      b = b.fma(x, y);
      c = c.fma(x, y);
      d = d.fma(x, y);
      e = e.fma(x, y);
      f = f.fma(x, y);
      g = g.fma(x, y);
      h = h.fma(x, y);
      k = k.fma(x, y);
      l = l.fma(x, y);
    }
    long time = System.nanoTime() - begin;
    sink = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(k).add(l).lane(0);
    return 2.0 * CHAINS * S.length() * TURNS / time;
  }

  /** Memory that the backend reads and writes when it copies, in GB/s: the best of some tries. */
  static double copies(Backend backend) {
    try (var from = Tensor.allocate(DType.F32, Shape.of(COPIED >> 10, 1 << 10));
        var to = Tensor.allocate(DType.F32, from.shape())) {
      double best = 0;
      for (int i = 0; i < TRIES; i++) {
        long begin = System.nanoTime();
        backend.copy(from, to);
        best = Math.max(best, 2.0 * Float.BYTES * COPIED / (System.nanoTime() - begin));
      }
      return best;
    }
  }
}
