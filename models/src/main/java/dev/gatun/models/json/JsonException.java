package dev.gatun.models.json;

/**
 * Text that is not JSON, or JSON that does not hold what was asked for; one sentence says where.
 */
public final class JsonException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  /** An exception with its sentence. */
  public JsonException(String message) {
    super(message);
  }
}
