package dev.gatun.runtime;

/** TEMPORARY: place of the recording decorator. */
final class RecordingBackend {
  private RecordingBackend() {}
}
