package dev.gatun.runtime.cuda;

/** Work cannot be recorded, because it needs the host or more memory at every run. */
final class UnrecordableException extends RuntimeException {
  private static final long serialVersionUID = 1;

  UnrecordableException(String reason) {
    super(reason);
  }
}
