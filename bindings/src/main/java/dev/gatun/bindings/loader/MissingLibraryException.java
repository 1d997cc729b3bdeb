package dev.gatun.bindings.loader;

/**
 * A library is not on this machine, cannot be loaded, or lacks a function. The message is one
 * sentence with the places that were tried and the cure.
 */
public final class MissingLibraryException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final NvidiaLibrary library;

  MissingLibraryException(NvidiaLibrary library, String message, Throwable cause) {
    super(message, cause);
    this.library = library;
  }

  /** Which one. */
  public NvidiaLibrary library() {
    return library;
  }
}
