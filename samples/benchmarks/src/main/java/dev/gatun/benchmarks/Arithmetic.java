package dev.gatun.benchmarks;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Counts floating-point operations; as JMH reports counts per second, they become speeds. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Arithmetic {
  /** In units of 1e9 since the iteration began. */
  public double gflop;

  /** The same in hundredths of what the threads multiply and add in a second. */
  public double percentOfPeak;

  void count(double gflop, double peak) {
    this.gflop += gflop;
    percentOfPeak += 100 * gflop / peak;
  }
}
