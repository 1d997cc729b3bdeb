package dev.gatun.models.pipeline;

import java.util.concurrent.atomic.AtomicReference;

/** Sees to it that one thread at a time computes; that thread may begin anew on its way. */
final class Ownership {
  private final AtomicReference<Thread> owner = new AtomicReference<>();

  /** Closed when the work is done. */
  @FunctionalInterface
  interface Hold extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Makes the present thread the owner.
   *
   * @throws IllegalStateException if another one is
   */
  Hold take() {
    var thread = Thread.currentThread();
    if (owner.get() == thread) {
      return () -> {};
    }
    if (!owner.compareAndSet(null, thread)) {
      throw new IllegalStateException(
          "this pipeline computes for another thread, and serves one at a time; load one for each"
              + " thread, or let them wait for each other");
    }
    return () -> owner.set(null);
  }
}
