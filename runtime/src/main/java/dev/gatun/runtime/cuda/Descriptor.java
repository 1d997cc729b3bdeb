package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cudnn.Cudnn;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * An object of cuDNN's graph interface: attributes are set, then it is finished and can be used by
 * others.
 *
 * <p>Source: NVIDIA, "cuDNN Graph API", Backend Descriptor Types.
 */
final class Descriptor implements AutoCloseable {
  private final MemorySegment handle;

  /**
   * @param type {@code CUDNN_BACKEND_…_DESCRIPTOR}
   */
  Descriptor(int type) {
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      Dnn.check("cudnnBackendCreateDescriptor", Cudnn.cudnnBackendCreateDescriptor(type, pointer));
      handle = pointer.get(ADDRESS, 0);
    }
  }

  MemorySegment handle() {
    return handle;
  }

  Descriptor longs(int attribute, long... values) {
    try (var arena = Arena.ofConfined()) {
      return set(
          attribute,
          Cudnn.CUDNN_TYPE_INT64(),
          values.length,
          arena.allocateFrom(JAVA_LONG, values));
    }
  }

  /** A number of one of the library's enumerations. */
  Descriptor choice(int attribute, int type, int value) {
    try (var arena = Arena.ofConfined()) {
      return set(attribute, type, 1, arena.allocateFrom(JAVA_INT, value));
    }
  }

  Descriptor flag(int attribute, boolean value) {
    try (var arena = Arena.ofConfined()) {
      return set(
          attribute,
          Cudnn.CUDNN_TYPE_BOOLEAN(),
          1,
          arena.allocateFrom(JAVA_BYTE, (byte) (value ? 1 : 0)));
    }
  }

  Descriptor number(int attribute, float value) {
    try (var arena = Arena.ofConfined()) {
      return set(attribute, Cudnn.CUDNN_TYPE_FLOAT(), 1, arena.allocateFrom(JAVA_FLOAT, value));
    }
  }

  Descriptor text(int attribute, String value) {
    try (var arena = Arena.ofConfined()) {
      var bytes = arena.allocateFrom(value, StandardCharsets.UTF_8);
      return set(attribute, Cudnn.CUDNN_TYPE_CHAR(), bytes.byteSize(), bytes);
    }
  }

  Descriptor handle(int attribute, Dnn library) {
    try (var arena = Arena.ofConfined()) {
      return set(
          attribute, Cudnn.CUDNN_TYPE_HANDLE(), 1, arena.allocateFrom(ADDRESS, library.handle()));
    }
  }

  Descriptor addresses(int attribute, long... values) {
    try (var arena = Arena.ofConfined()) {
      return set(
          attribute,
          Cudnn.CUDNN_TYPE_VOID_PTR(),
          values.length,
          arena.allocateFrom(JAVA_LONG, values));
    }
  }

  Descriptor others(int attribute, Descriptor... values) {
    try (var arena = Arena.ofConfined()) {
      var handles = arena.allocate(ADDRESS, values.length);
      for (int i = 0; i < values.length; i++) {
        handles.setAtIndex(ADDRESS, i, values[i].handle);
      }
      return set(attribute, Cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR(), values.length, handles);
    }
  }

  private Descriptor set(int attribute, int type, long count, MemorySegment values) {
    int status = Cudnn.cudnnBackendSetAttribute(handle, attribute, type, count, values);
    if (status != Cudnn.CUDNN_STATUS_SUCCESS()) {
      Dnn.check("cudnnBackendSetAttribute of " + attribute, status);
    }
    return this;
  }

  /**
   * Ends the setting of attributes.
   *
   * @return the library's status
   */
  int tryFinish() {
    return Cudnn.cudnnBackendFinalize(handle);
  }

  /**
   * Ends the setting of attributes.
   *
   * @param what it is, for the message
   */
  Descriptor finish(String what) {
    int status = tryFinish();
    if (status != Cudnn.CUDNN_STATUS_SUCCESS()) {
      Dnn.check("cudnnBackendFinalize of " + what, status);
    }
    return this;
  }

  long getLong(int attribute) {
    try (var arena = Arena.ofConfined()) {
      var count = arena.allocate(JAVA_LONG);
      var value = arena.allocate(JAVA_LONG);
      Dnn.check(
          "cudnnBackendGetAttribute of " + attribute,
          Cudnn.cudnnBackendGetAttribute(
              handle, attribute, Cudnn.CUDNN_TYPE_INT64(), 1, count, value));
      return value.get(JAVA_LONG, 0);
    }
  }

  /** Numbers of an enumeration, at most so many. */
  int[] getChoices(int attribute, int type, int most) {
    try (var arena = Arena.ofConfined()) {
      var count = arena.allocate(JAVA_LONG);
      var values = arena.allocate(JAVA_INT, most);
      Dnn.check(
          "cudnnBackendGetAttribute of " + attribute,
          Cudnn.cudnnBackendGetAttribute(handle, attribute, type, most, count, values));
      int found = (int) Math.min(most, count.get(JAVA_LONG, 0));
      return values.asSlice(0, 4L * found).toArray(JAVA_INT);
    }
  }

  /** How many descriptors an attribute holds. */
  int count(int attribute) {
    try (var arena = Arena.ofConfined()) {
      var count = arena.allocate(JAVA_LONG);
      Dnn.check(
          "cudnnBackendGetAttribute of " + attribute,
          Cudnn.cudnnBackendGetAttribute(
              handle,
              attribute,
              Cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR(),
              0,
              count,
              MemorySegment.NULL));
      return Math.toIntExact(count.get(JAVA_LONG, 0));
    }
  }

  /**
   * Fills descriptors of the right type with those that an attribute holds.
   *
   * @return how many were filled
   */
  int get(int attribute, Descriptor... into) {
    try (var arena = Arena.ofConfined()) {
      var count = arena.allocate(JAVA_LONG);
      var handles = arena.allocate(ADDRESS, Math.max(1, into.length));
      for (int i = 0; i < into.length; i++) {
        handles.setAtIndex(ADDRESS, i, into[i].handle);
      }
      Dnn.check(
          "cudnnBackendGetAttribute of " + attribute,
          Cudnn.cudnnBackendGetAttribute(
              handle,
              attribute,
              Cudnn.CUDNN_TYPE_BACKEND_DESCRIPTOR(),
              into.length,
              count,
              handles));
      return (int) Math.min(into.length, count.get(JAVA_LONG, 0));
    }
  }

  @Override
  public void close() {
    Cudnn.cudnnBackendDestroyDescriptor(handle);
  }
}
