package dev.gatun.runtime;

/**
 * A device failed: it has not enough memory, or something that it was asked for went wrong. The
 * message is one sentence with the fact and the cure.
 */
public class DeviceException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** With a sentence. */
  public DeviceException(String sentence) {
    super(sentence);
  }
}
