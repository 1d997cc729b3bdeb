package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgressTest {
  /** The number of steps changes while these samplers work, and from batch to batch. */
  @ParameterizedTest
  @ValueSource(strings = {"dpm-solver-adaptive", "dpm-solver++-adaptive", "dpm-adaptive"})
  void progressNeverRunsBackwards(String sampler) throws Exception {
    try (var pipeline = ImagePipeline.bundled("uvit-digits")) {
      var seen = new ArrayList<Integer>();
      var totals = new ArrayList<Integer>();
      var request = pipeline.request().sampler(sampler).count(3).batch(1);
      request.onProgress(
          (done, total, _) -> {
            seen.add(done);
            totals.add(total);
          });
      request.generate();
      for (int i = 0; i < seen.size(); i++) {
        assertEquals(i + 1, seen.get(i));
        assertTrue(totals.get(i) >= seen.get(i), totals::toString);
      }
      assertEquals(seen.getLast(), totals.getLast());
    }
  }

  @Test
  void batchesToComeAreExpectedToBeLikeThePresentOne() {
    var progress = new Progress(2, 10, 3);
    progress.begin(0);
    progress.step(1, 10);
    assertEquals("1/26", text(progress));
    progress.step(2, 4); // the sampler expects fewer
    assertEquals("2/14", text(progress));
    progress.step(5, 4); // and was wrong
    assertEquals("5/16", text(progress));
    progress.begin(1);
    progress.step(1, 3);
    assertEquals("6/16", text(progress));
    progress.step(2, 2); // the second stage ends early
    progress.begin(0);
    progress.step(1, 5);
    assertEquals("8/14", text(progress));
  }

  @Test
  void moreStepsThanANumberHolds() {
    var progress = new Progress(1_000_000, 10_000);
    progress.begin(0);
    progress.step(1, 10_000);
    assertEquals("1/" + Integer.MAX_VALUE, text(progress));
  }

  private static String text(Progress progress) {
    return progress.done() + "/" + progress.total();
  }
}
