package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;

/** Copies by all threads: one alone does not reach the speed of the memory. */
final class Copying implements ThreadTeam.Work {
  /** Fewer elements than this are not worth waking a thread. */
  private static final int SHARED = 1 << 15;

  private final ThreadTeam team;

  // The call that is running.
  private Tensor from;
  private Tensor to;

  Copying(ThreadTeam team) {
    this.team = team;
  }

  void copy(Tensor from, Tensor to) {
    if (from.shape().size() < SHARED) {
      HostMovement.copy(from, to);
      return;
    }
    this.from = from;
    this.to = to;
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    long rows = from.shape().rows();
    long first = rows * worker / workers;
    HostMovement.copy(from, to, first, rows * (worker + 1) / workers);
  }
}
