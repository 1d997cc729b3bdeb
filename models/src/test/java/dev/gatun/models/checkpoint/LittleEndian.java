package dev.gatun.models.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Collects bytes as the formats have them. */
final class LittleEndian {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  LittleEndian u8(int... values) {
    for (int value : values) {
      out.write(value);
    }
    return this;
  }

  LittleEndian u16(long value) {
    return number(value, 2);
  }

  LittleEndian u32(long value) {
    return number(value, 4);
  }

  LittleEndian u64(long value) {
    return number(value, 8);
  }

  LittleEndian f32(float... values) {
    for (float value : values) {
      u32(Float.floatToRawIntBits(value));
    }
    return this;
  }

  LittleEndian bytes(byte[] bytes) {
    out.writeBytes(bytes);
    return this;
  }

  LittleEndian utf8(String text) {
    return bytes(text.getBytes(StandardCharsets.UTF_8));
  }

  int size() {
    return out.size();
  }

  byte[] toBytes() {
    return out.toByteArray();
  }

  private LittleEndian number(long value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      out.write((int) (value >>> 8 * i));
    }
    return this;
  }
}
