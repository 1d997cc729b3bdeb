package dev.gatun.runtime;

/** Work that is run again and again: see {@link Backend#replay}. */
@FunctionalInterface
public interface Replay extends AutoCloseable {
  /** Runs it; what it throws is thrown here. */
  void run();

  /** Forgets what was recorded. */
  @Override
  default void close() {}
}
