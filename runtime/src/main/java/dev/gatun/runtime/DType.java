package dev.gatun.runtime;

/**
 * The element types of a {@link Tensor}.
 *
 * <p>Operators compute on {@link #F32} and take indices as {@link #I64}; {@link #F16} and {@link
 * #BF16} are storage types of weights. The others can be stored and read, because checkpoint files
 * hold them.
 */
public enum DType {
  F64(8),
  F32(4),
  F16(2),
  BF16(2),
  I64(8),
  I32(4),
  I16(2),
  I8(1),
  U8(1),
  BOOL(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Whether the elements are floating-point numbers. */
  public boolean isFloating() {
    return this == F64 || this == F32 || this == F16 || this == BF16;
  }
}
