package dev.gatun.benchmarks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class SafepointTrialTest {
  @Test
  void stopsAreSeenWhileTheOperatorRuns() throws Exception {
    var runs = new AtomicLong();
    double[] stops =
        SafepointTrial.measure(
            runs::incrementAndGet, Duration.ofMillis(100), Duration.ofMillis(1000));
    assertTrue(runs.get() > 0);
    assertTrue(stops.length > 2, stops.length + " stops");
    assertTrue(stops[0] > 0);
    var sorted = stops.clone();
    Arrays.sort(sorted);
    assertArrayEquals(sorted, stops);
  }

  @Test
  void shares() {
    double[] sorted = {1, 2, 3, 4};
    assertEquals(3, SafepointTrial.at(sorted, 0.5));
    assertEquals(4, SafepointTrial.at(sorted, 1));
    assertTrue(Double.isNaN(SafepointTrial.at(new double[0], 0.5)));
  }
}
