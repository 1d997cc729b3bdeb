package dev.gatun.models.checkpoint;

import java.nio.charset.StandardCharsets;

/** Builds safetensors files, sound or not. */
final class SafetensorsBytes {
  /** One tensor of two floats, 1 and -2. */
  static final String PAIR = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

  private SafetensorsBytes() {}

  static byte[] file(String header, byte[] data) {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    return file(json.length, json, data);
  }

  static byte[] file(String header, int dataBytes) {
    return file(header, new byte[dataBytes]);
  }

  static byte[] file(long length, byte[] header, byte[] data) {
    return new LittleEndian().u64(length).bytes(header).bytes(data).toBytes();
  }

  static byte[] pair() {
    return file(PAIR, new LittleEndian().f32(1, -2).toBytes());
  }

  /** The description of one tensor. */
  static String tensor(String key, String dtype, String shape, String offsets) {
    return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}"
        .formatted(key, dtype, shape, offsets);
  }

  /** A header of tensors. */
  static String header(String... tensors) {
    return "{" + String.join(",", tensors) + "}";
  }
}
