package dev.gatun.benchmarks;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Counts memory read and written; as JMH reports counts per second, they become speeds. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Traffic {
  /** In units of 1e9 bytes since the iteration began. */
  public double gigabyte;

  /** The same in hundredths of what the backend copies in a second beyond the caches. */
  public double percentOfCopy;

  void count(double gigabyte, double copying) {
    this.gigabyte += gigabyte;
    percentOfCopy += 100 * gigabyte / copying;
  }
}
