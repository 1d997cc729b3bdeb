package dev.gatun.models.checkpoint;

import java.util.Arrays;

/** Builds pickles opcode by opcode, as {@code torch.save} writes them, sound or not. */
final class PickleBytes {
  private final LittleEndian out = new LittleEndian();

  PickleBytes() {
    this(2);
  }

  PickleBytes(int protocol) {
    op(0x80, protocol);
  }

  PickleBytes op(int... bytes) {
    out.u8(bytes);
    return this;
  }

  PickleBytes u32(long value) {
    out.u32(value);
    return this;
  }

  PickleBytes u64(long value) {
    out.u64(value);
    return this;
  }

  PickleBytes raw(byte[] bytes) {
    out.bytes(bytes);
    return this;
  }

  PickleBytes global(String module, String name) {
    op('c');
    out.utf8(module + "\n" + name + "\n");
    return this;
  }

  PickleBytes stackGlobal(String module, String name) {
    return text(module).text(name).op(0x93);
  }

  PickleBytes text(String text) {
    op('X').u32(text.length());
    out.utf8(text);
    return this;
  }

  PickleBytes number(long value) {
    if (value == (int) value) {
      return op('J').u32(value);
    }
    return op(0x8a, 8).u64(value);
  }

  PickleBytes tuple(long... values) {
    op('(');
    for (long value : values) {
      number(value);
    }
    return op('t');
  }

  PickleBytes orderedDict() {
    return global("collections", "OrderedDict").op(')', 'R');
  }

  PickleBytes storage(String type, String key, long elements) {
    return op('(')
        .text("storage")
        .global("torch", type)
        .text(key)
        .text("cpu")
        .number(elements)
        .op('t', 'Q');
  }

  PickleBytes legacyStorage(String type, String key, long elements) {
    return op('(')
        .text("storage")
        .global("torch", type)
        .text(key)
        .text("cpu")
        .number(elements)
        .op('N', 't', 'Q');
  }

  /** A tensor over the storage that the given code pushes. */
  PickleBytes tensor(PickleBytes storage, long offset, long[] size, long[] stride) {
    global("torch._utils", "_rebuild_tensor_v2").op('(');
    byte[] code = storage.toBytes();
    out.bytes(Arrays.copyOfRange(code, 2, code.length));
    return number(offset).tuple(size).tuple(stride).op(0x89).orderedDict().op('t', 'R');
  }

  /** A tensor of floats over storage "0". */
  PickleBytes tensor(long elements, long offset, long[] size, long[] stride) {
    return tensor(new PickleBytes().storage("FloatStorage", "0", elements), offset, size, stride);
  }

  /** {@code {"w": tensor}}, complete. */
  static byte[] single(long elements, long offset, long[] size, long[] stride) {
    return new PickleBytes()
        .op('}')
        .text("w")
        .tensor(elements, offset, size, stride)
        .op('s')
        .stop();
  }

  /** {@code {"w": [0, 1, 2, 3, 4, 5] as [2, 3]}}, complete. */
  static byte[] sound() {
    return single(6, 0, dims(2, 3), dims(3, 1));
  }

  static long[] dims(long... dims) {
    return dims;
  }

  byte[] stop() {
    return op('.').toBytes();
  }

  byte[] toBytes() {
    return out.toBytes();
  }
}
