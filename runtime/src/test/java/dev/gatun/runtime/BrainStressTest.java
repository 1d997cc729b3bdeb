package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Assembled code among collections and stack traces of all threads: no crash, no wrong bit. */
class BrainStressTest {
  private static final int THREADS = 3;
  private static final int ROUNDS = 60;

  @Test
  void collectionsAndStackTracesDoNotDisturb() throws InterruptedException {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.BF16);
    assumeTrue(reason.isEmpty(), "bf16 was not tested: " + reason);
    var going = new AtomicBoolean(true);
    var wrong = new AtomicInteger();
    var done = new AtomicInteger();
    var threads = new Thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
      threads[i] = Thread.ofPlatform().start(() -> multiply(going, wrong, done));
    }
    for (int i = 0; i < ROUNDS; i++) {
      System.gc();
      Thread.getAllStackTraces();
    }
    // On a busy machine a thread may just have begun.
    while (done.get() < THREADS) {
      Thread.onSpinWait();
    }
    going.set(false);
    for (var thread : threads) {
      thread.join();
    }
    assertEquals(0, wrong.get());
  }

  private static void multiply(AtomicBoolean going, AtomicInteger wrong, AtomicInteger done) {
    try (var backend = Backend.open(Device.CPU, "cpu", Precision.BF16, 1);
        var tensors = new TestTensors()) {
      var x = tensors.random(70, 130);
      try (var weight = backend.pack(tensors.random(100, 130))) {
        var first = tensors.out(70, 100);
        backend.linear(x, weight, Epilogue.NONE, first);
        var again = tensors.out(70, 100);
        boolean counted = false;
        while (going.get()) {
          backend.linear(x, weight, Epilogue.NONE, again);
          if (first.segment().mismatch(again.segment()) >= 0) {
            wrong.incrementAndGet();
          }
          if (!counted) {
            done.incrementAndGet();
            counted = true;
          }
        }
      }
    } catch (RuntimeException | Error e) {
      wrong.incrementAndGet();
      done.incrementAndGet();
      throw e;
    }
  }
}
