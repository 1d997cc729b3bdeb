package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class ThreadTeamTest {
  @Test
  void everyItemIsTakenOnce() {
    try (var team = new ThreadTeam(3)) {
      for (int run = 0; run < 100; run++) {
        var taken = new AtomicIntegerArray(50);
        team.run(
            (worker, workers) -> {
              assertEquals(3, workers);
              for (int item; (item = team.take()) < taken.length(); ) {
                taken.incrementAndGet(item);
              }
            });
        for (int item = 0; item < taken.length(); item++) {
          assertEquals(1, taken.get(item), "item " + item);
        }
      }
    }
  }

  /** What the virtual machine throws has a meaning to the caller; the rest gets one. */
  @Test
  void theFailureOfAHelperReachesTheCaller() {
    try (var team = new ThreadTeam(2)) {
      for (var error : new Error[] {new OutOfMemoryError("heap"), new InternalError("cut off")}) {
        assertSame(error, assertThrows(Error.class, () -> team.run((w, n) -> fail(w, error))));
      }
      var bug = new AssertionError("bug");
      var thrown =
          assertThrows(IllegalStateException.class, () -> team.run((w, n) -> fail(w, bug)));
      assertSame(bug, thrown.getCause());
      team.run((worker, workers) -> {}); // and it goes on
    }
  }

  private static void fail(int worker, Error error) {
    if (worker == 1) {
      throw error;
    }
  }

  @Test
  void aClosedTeamSaysSo() {
    var team = new ThreadTeam(2);
    team.close();
    var thrown = assertThrows(IllegalStateException.class, () -> team.run((worker, workers) -> {}));
    assertEquals("the backend is closed", thrown.getMessage());
  }
}
