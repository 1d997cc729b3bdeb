package dev.gatun.runtime.cpu;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.System.Logger.Level;
import java.util.Locale;

/**
 * Times what the just-in-time compiler made of the largest tile, once, when the kernels have been
 * compiled. That differs from start to start and from JDK to JDK: with a single sum that does not
 * remain in a register the tile takes two and a half times as long, and every network with it. The
 * tile of four rows has registers to spare; if it is the faster one, it does the work from then on,
 * with the same bits.
 */
final class TileCheck {
  /** A tile is slow if it reaches less than this part of the speed of four rows. */
  private static final double SLOW = 0.8;

  private static final int TRIES = 8;
  private static final int CALLS = 25;

  private TileCheck() {}

  /** Times both tiles, about a millisecond, and falls back to the small one if that is better. */
  static void run() {
    double large = 0;
    double four = 0;
    // In turns, and the best of each: a neighbour that takes the processor for a moment is no flaw.
    for (int i = 0; i < TRIES; i++) {
      large = Math.max(large, speed(MicroKernel.ROWS));
      four = Math.max(four, speed(4));
    }
    if (isSlow(large, four)) {
      MicroKernel.useFourRows(true);
      System.getLogger(TileCheck.class.getName()).log(Level.WARNING, message(large, four));
    }
  }

  static boolean isSlow(double large, double four) {
    return large < SLOW * four;
  }

  static String message(double large, double four) {
    return String.format(
        Locale.ROOT,
        "this JVM has compiled the product of %d rows badly (%.0f GFLOP/s, of 4 rows %.0f), so Gatun"
            + " computes 4 rows at a time and may take longer: start it again, and if this comes"
            + " back, try a newer update of the JDK",
        MicroKernel.ROWS,
        large,
        four);
  }

  /** In GFLOP/s, on operands that remain in the first-level cache. */
  private static double speed(int rows) {
    float[] a = new float[MicroKernel.ROWS * MicroKernel.STRIDE];
    float[] b = new float[MicroKernel.DEPTH * MicroKernel.WIDTH];
    float[] c = new float[MicroKernel.ROWS * MicroKernel.WIDTH];
    long begin = System.nanoTime();
    for (int call = 0; call < CALLS; call++) {
      MicroKernel.multiply(a, 0, b, 0, MicroKernel.DEPTH, c, 0, 0, c, 0, rows);
    }
    double speed = speed(rows, System.nanoTime() - begin);
    return StreamKernel.pays(rows) ? Math.min(speed, streamSpeed(a, c, rows)) : speed;
  }

  /** The same for a panel in memory off the heap. */
  private static double streamSpeed(float[] a, float[] c, int rows) {
    try (var b = Tensor.allocate(DType.F32, Shape.of(MicroKernel.DEPTH, MicroKernel.WIDTH))) {
      var panel = b.segment();
      long begin = System.nanoTime();
      for (int call = 0; call < CALLS; call++) {
        StreamKernel.multiply(a, 0, panel, 0, MicroKernel.DEPTH, c, 0, 0, c, 0, rows);
      }
      return speed(rows, System.nanoTime() - begin);
    }
  }

  private static double speed(int rows, long nanoseconds) {
    double operations = 2.0 * rows * MicroKernel.WIDTH * MicroKernel.DEPTH * CALLS;
    return operations / Math.max(1, nanoseconds);
  }
}
