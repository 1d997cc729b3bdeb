package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PlanCacheTest {
  private final List<Integer> closed = new ArrayList<>();

  private AutoCloseable plan(int number) {
    return () -> closed.add(number);
  }

  @Test
  void whatWasNotUsedForTheLongestTimeGivesWay() {
    var cache = new PlanCache<Integer, AutoCloseable>();
    for (int i = 0; i < PlanCache.MOST; i++) {
      cache.put(i, plan(i));
    }
    cache.get(0);
    cache.put(-1, plan(-1));
    assertEquals(List.of(1), closed);
    assertTrue(cache.has(0));
    assertFalse(cache.has(1));
    cache.close();
    assertEquals(PlanCache.MOST + 1, closed.size());
    assertFalse(cache.has(0));
  }

  @Test
  void thatThereIsNoneIsRemembered() {
    var cache = new PlanCache<String, AutoCloseable>();
    assertFalse(cache.has("a"));
    cache.put("a", null);
    assertTrue(cache.has("a"));
    assertNull(cache.get("a"));
    cache.close();
  }
}
