package dev.gatun.runtime.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A fixed set of threads that run one piece of work together: the caller is worker 0, the others
 * wait for it.
 *
 * <p>An operator takes between microseconds and milliseconds, so waiting begins with spinning and
 * only then parks: a denoising step finds the workers awake. Running work allocates nothing.
 */
final class ThreadTeam implements AutoCloseable {
  /** A piece of work that all workers share. */
  interface Work {
    /** Does the share of one worker. */
    void run(int worker, int workers);
  }

  /** How often a waiting thread looks again before it parks: some 50 microseconds. */
  private static final int SPINS = 1 << 12;

  private final Thread[] helpers;
  private final AtomicInteger pending = new AtomicInteger();
  private final AtomicInteger taken = new AtomicInteger();
  private volatile Work work;
  private volatile int epoch;
  private volatile boolean closed;
  private volatile Throwable failure;

  ThreadTeam(int workers) {
    helpers = new Thread[workers - 1];
    for (int i = 0; i < helpers.length; i++) {
      int worker = i + 1;
      helpers[i] = Thread.ofPlatform().daemon().name("gatun-" + worker).start(() -> serve(worker));
    }
  }

  int size() {
    return helpers.length + 1;
  }

  /** Runs a piece of work on all workers and returns when every share is done. */
  void run(Work next) {
    if (closed) {
      throw new IllegalStateException("the backend is closed");
    }
    if (helpers.length == 0) {
      runAlone(next);
      return;
    }
    taken.setPlain(0); // what follows publishes it
    work = next;
    failure = null;
    pending.set(helpers.length);
    epoch++;
    for (var helper : helpers) {
      LockSupport.unpark(helper);
    }
    try {
      next.run(0, size());
    } finally {
      // Also after a failure: the others still write into the caller's tensors.
      for (int spin = 0; pending.get() != 0; spin++) {
        if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          Thread.yield(); // a helper has lost its processor to somebody: do not take ours as well
        }
      }
      work = null;
    }
    var thrown = failure;
    if (thrown instanceof VirtualMachineError e) {
      // A mapped file was cut off, or there is not enough memory: the caller knows what to say.
      throw e;
    }
    if (thrown != null) {
      throw new IllegalStateException("a worker thread failed: " + thrown, thrown);
    }
  }

  /** Runs a piece of work that is too small to be shared. */
  void runAlone(Work next) {
    taken.setPlain(0);
    next.run(0, 1);
  }

  private void serve(int worker) {
    int seen = 0;
    while (true) {
      for (int spin = 0; epoch == seen && !closed; spin++) {
        if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          LockSupport.park(this);
        }
      }
      if (closed) {
        return;
      }
      seen = epoch;
      try {
        work.run(worker, size());
      } catch (Throwable t) {
        failure = t;
      }
      pending.decrementAndGet();
    }
  }

  /**
   * The next item of the running piece of work that nobody has taken, from 0 on. So a worker whose
   * processor is slower, or shared with somebody, does less; a fixed share would have all others
   * wait for it.
   */
  int take() {
    return taken.getAndIncrement();
  }

  /**
   * First of the items {@code 0 … count - 1} that a worker takes when they are shared out evenly
   * and in order.
   */
  static int begin(int count, int worker, int workers) {
    return (int) ((long) count * worker / workers);
  }

  @Override
  public void close() {
    closed = true;
    for (var helper : helpers) {
      LockSupport.unpark(helper);
    }
  }
}
