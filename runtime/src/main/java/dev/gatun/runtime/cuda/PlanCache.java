package dev.gatun.runtime.cuda;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Plans by what they were made for; the one that was not used for the longest time gives way, since
 * a service may see shapes without end.
 */
final class PlanCache<K, P extends AutoCloseable> implements AutoCloseable {
  /** More than any network has shapes. */
  static final int MOST = 1024;

  private final Map<K, P> plans = new LinkedHashMap<>(16, 0.75f, true);

  /** Whether there is a plan, or it is known that there can be none. */
  boolean has(K key) {
    return plans.containsKey(key);
  }

  /** The plan, or null if there is none. */
  P get(K key) {
    return plans.get(key);
  }

  /** Adds a plan, which is closed here; or null, where there can be none. */
  void put(K key, P plan) {
    plans.put(key, plan);
    if (plans.size() > MOST) {
      var eldest = plans.entrySet().iterator();
      var value = eldest.next().getValue();
      eldest.remove();
      close(value);
    }
  }

  private static void close(AutoCloseable plan) {
    try {
      if (plan != null) {
        plan.close();
      }
    } catch (Exception e) {
      Driver.warn(e);
    }
  }

  @Override
  public void close() {
    plans.values().forEach(PlanCache::close);
    plans.clear();
  }
}
