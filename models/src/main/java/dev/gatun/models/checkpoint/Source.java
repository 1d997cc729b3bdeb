package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The bytes of one file, little-endian, with its name for messages and the budget for what is kept
 * of them. Nothing in a file is believed: every access is checked and fails with a sentence.
 */
record Source(String name, MemorySegment bytes, ByteBudget budget) {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** How many axes a tensor may have; torch stops at 64, networks at 6. */
  private static final int MAX_RANK = 32;

  static final int MAX_KEY = 1024;

  Source(String name, MemorySegment bytes) {
    this(name, bytes, new ByteBudget(name, ByteBudget.DESCRIPTION, "its description"));
  }

  long size() {
    return bytes.byteSize();
  }

  int u8(long at) throws CheckpointException {
    require(at, 1);
    return bytes.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
  }

  int u16(long at) throws CheckpointException {
    require(at, 2);
    return bytes.get(SHORT, at) & 0xFFFF;
  }

  int i32(long at) throws CheckpointException {
    require(at, 4);
    return bytes.get(INT, at);
  }

  long u32(long at) throws CheckpointException {
    return Integer.toUnsignedLong(i32(at));
  }

  long i64(long at) throws CheckpointException {
    require(at, 8);
    return bytes.get(LONG, at);
  }

  /** Whether the file holds these bytes at a place; false where it ends before. */
  boolean has(long at, int... expected) throws CheckpointException {
    if (at < 0 || at > size() - expected.length) {
      return false;
    }
    for (int i = 0; i < expected.length; i++) {
      if (u8(at + i) != expected[i]) {
        return false;
      }
    }
    return true;
  }

  /** A copy of some bytes, paid from the budget. */
  byte[] copy(long at, long length) throws CheckpointException {
    require(at, length);
    budget.take(length);
    return bytes.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE);
  }

  /**
   * A string in UTF-8, paid from the budget.
   *
   * @param what for the message, such as "a member name"
   */
  String utf8(long at, long length, String what) throws CheckpointException {
    budget.take(Math.max(0, length));
    require(at, length);
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(bytes.asSlice(at, length).asByteBuffer())
          .toString();
    } catch (CharacterCodingException e) {
      throw error(what + " at byte " + at + " is not UTF-8; the file is damaged");
    }
  }

  /** Requires that the file has {@code length} bytes from {@code at} on. */
  void require(long at, long length) throws CheckpointException {
    if (at < 0 || length < 0 || at > size() || length > size() - at) {
      throw error(
          "ends after "
              + size()
              + " bytes, before the "
              + Long.toUnsignedString(length)
              + " bytes that are expected at byte "
              + Long.toUnsignedString(at)
              + "; the file is damaged or its download was cut off");
    }
  }

  /**
   * Proves what a file says of a tensor: extents that can be computed with, and a size in bytes
   * that does not overflow.
   */
  TensorInfo tensor(String key, DType dtype, long[] dims) throws CheckpointException {
    if (key.isEmpty() || key.length() > MAX_KEY) {
      throw error(
          "tensor name '"
              + CheckpointException.show(key)
              + "' is not between 1 and "
              + MAX_KEY
              + " characters long; the file is damaged");
    }
    if (dims.length > MAX_RANK) {
      throw error(
          about(key) + "has " + dims.length + " axes, more than " + MAX_RANK + " cannot be read");
    }
    int[] extents = new int[dims.length];
    for (int i = 0; i < dims.length; i++) {
      if (dims[i] < 0 || dims[i] > Integer.MAX_VALUE) {
        throw error(
            about(key)
                + "has the shape "
                + Arrays.toString(dims)
                + ", whose extent "
                + dims[i]
                + " is not between 0 and "
                + Integer.MAX_VALUE);
      }
      extents[i] = (int) dims[i];
    }
    try {
      var shape = Shape.of(extents);
      // An empty tensor must not hide that its other extents overflow, in bytes as in elements.
      long bytes = dtype.bytes();
      for (int extent : extents) {
        bytes = Math.multiplyExact(bytes, Math.max(extent, 1));
      }
      budget.take(128 + 2L * key.length());
      return new TensorInfo(key, dtype, shape);
    } catch (ArithmeticException e) {
      throw error(
          about(key)
              + "has the shape "
              + Arrays.toString(dims)
              + ", whose size in bytes does not fit in 63 bits; the file is damaged");
    }
  }

  /** The beginning of a sentence about a tensor. */
  static String about(String key) {
    return "tensor " + CheckpointException.show(key) + " ";
  }

  /** An exception about this file. */
  CheckpointException error(String sentence) {
    return new CheckpointException(name, sentence);
  }
}
