package dev.gatun.models.checkpoint;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;

/** Builds files of {@code torch.save}. */
final class TorchBytes {
  /** 0, 1, 2, 3, 4, 5: storage "0" of most tests. */
  static final byte[] SIX = new LittleEndian().f32(0, 1, 2, 3, 4, 5).toBytes();

  private TorchBytes() {}

  static ZipBytes members(byte[] pickle, byte[]... storages) {
    var zip = new ZipBytes().add("archive/data.pkl", pickle);
    for (int i = 0; i < storages.length; i++) {
      zip.add("archive/data/" + i, storages[i]);
    }
    return zip.add("archive/version", ascii("3\n"));
  }

  /** A zip around a pickle, with storage "0" as {@link #SIX}. */
  static byte[] zip(byte[] pickle) {
    return members(pickle, SIX).toBytes();
  }

  static byte[] zip() {
    return zip(PickleBytes.sound());
  }

  /** A legacy file with {@code {"w": [0 … 5] as [2, 3]}}. */
  static byte[] legacy() {
    var storage = new PickleBytes().legacyStorage("FloatStorage", "77", 6);
    var pickle =
        new PickleBytes()
            .op('}')
            .text("w")
            .tensor(storage, 0, PickleBytes.dims(2, 3), PickleBytes.dims(3, 1))
            .op('s')
            .stop();
    return legacy(pickle, 6);
  }

  /** A legacy file around a pickle whose storage "77" is {@link #SIX}. */
  static byte[] legacy(byte[] pickle, long elements) {
    byte[] big = new BigInteger("1950a86a20f9469cfc6c", 16).toByteArray();
    var magic = new PickleBytes().op(0x8a, big.length);
    for (int i = big.length - 1; i >= 0; i--) {
      magic.op(big[i]);
    }
    return new LittleEndian()
        .bytes(magic.stop())
        .bytes(new PickleBytes().number(1001).stop())
        .bytes(machine(true))
        .bytes(pickle)
        .bytes(new PickleBytes().op(']').text("77").op('a').stop())
        .u64(elements)
        .bytes(SIX)
        .toBytes();
  }

  static byte[] machine(boolean little) {
    return new PickleBytes().op('}').text("little_endian").op(little ? 0x88 : 0x89, 's').stop();
  }

  static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
