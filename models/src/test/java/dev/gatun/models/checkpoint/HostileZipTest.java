package dev.gatun.models.checkpoint;

import static dev.gatun.models.checkpoint.PickleBytes.sound;
import static dev.gatun.models.checkpoint.TorchBytes.SIX;
import static dev.gatun.models.checkpoint.TorchBytes.ascii;
import static dev.gatun.models.checkpoint.TorchBytes.members;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Hostile zips (33 to 40); the numbers are those of the list of cases. */
class HostileZipTest {
  private static final String ZERO = "archive/data/0";

  @TempDir Path dir;

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void refused(Refusal refusal) {
    refusal.check();
  }

  static Stream<Refusal> refused() {
    byte[] sound = TorchBytes.zip();
    byte[] end = Arrays.copyOfRange(sound, sound.length - 22, sound.length);
    return Stream.of(
        storage("33 encrypted", m -> m.flags = 1, "its member " + ZERO + " is encrypted"),
        storage("33 strong encryption", m -> m.flags = 1 << 6, "unknown zip flags 0x0040"),
        storage(
            "34 another local name",
            m -> m.localName = "archive/data/1",
            "is called archive/data/1"),
        storage("34 a shorter local name", m -> m.localName = "archive/d", "is called archive/d"),
        Refusal.of(
            "35 bad CRC of the pickle",
            new ZipBytes()
                .add("archive/data.pkl", sound(), m -> m.crc ^= 1)
                .add(ZERO, SIX)
                .toBytes(),
            "archive/data.pkl has the CRC-32",
            "expected"),
        storage(
            "36 2.2 GB in a tiny file", m -> m.size = 2_200_000_000L, "2200000000 bytes, but only"),
        storage("36 size 0xFFFFFFFF", m -> m.size = 0xFFFFFFFFL, "has no zip64 field"),
        storage(
            "36 local extra past the end",
            m -> m.localExtraLength = 0xFFFF,
            "but only 0 are there"),
        storage("36 size less than there is", m -> m.size = 20, "contradicts the directory"),
        storage(
            "37 deflated", m -> m.method = 8, "its member " + ZERO + " is compressed (method 8)"),
        storage(
            "38 zip64 field too short",
            m -> {
              m.zip64 = true;
              m.zip64Bytes = 16;
            },
            "a zip64 field of 16 bytes, expected 24"),
        storage(
            "38 a descriptor of another size",
            m -> {
              m.descriptor = 24;
              m.descriptorLie = 1;
            },
            "contradicts the directory"),
        Refusal.of(
            "39 duplicate names",
            new ZipBytes()
                .add("archive/data.pkl", sound())
                .add(ZERO, SIX)
                .add(ZERO, new byte[24])
                .toBytes(),
            "its member " + ZERO + " occurs twice"),
        Refusal.of(
            "39 a second end record",
            new LittleEndian().bytes(sound).bytes(end).toBytes(),
            "which do not end at byte",
            "two zips in one"),
        Refusal.of(
            "39 an end record in the comment",
            members(sound(), SIX).comment(end).toBytes(),
            "which do not end at byte"),
        Refusal.of(
            "39 a comment",
            members(sound(), SIX).comment(ascii("hello")).toBytes(),
            "does not end with the end record of a zip"),
        Refusal.of(
            "39 a whole zip before it",
            new LittleEndian().bytes(sound).bytes(sound).toBytes(),
            "two zips in one"),
        Refusal.of(
            "39 bytes between a member and the directory",
            between(sound),
            "which do not end at byte"),
        Refusal.of("39 cut off", Arrays.copyOf(sound, sound.length - 1), "was cut off"),
        Refusal.of(
            "40 byteorder big",
            members(sound(), SIX).add("archive/byteorder", ascii("big")).toBytes(),
            "its byteorder is big, only little"),
        Refusal.of(
            "40 unknown version",
            new ZipBytes()
                .add("archive/data.pkl", sound())
                .add(ZERO, SIX)
                .add("archive/version", ascii("11"))
                .toBytes(),
            "its version is 11"),
        Refusal.of(
            "two directories",
            members(sound(), SIX).add("other/data.pkl", sound()).toBytes(),
            "archive/data.pkl and other/data.pkl are not in one directory"),
        Refusal.of("no pickle", new ZipBytes().add("a/b", SIX).toBytes(), "DIRECTORY/data.pkl"),
        Refusal.of("no members", new ZipBytes().toBytes(), "DIRECTORY/data.pkl"),
        Refusal.of(
            "TorchScript",
            members(sound(), SIX).add("archive/constants.pkl", sound()).toBytes(),
            "is a TorchScript archive"));
  }

  private static Refusal storage(String what, Consumer<ZipBytes.Member> change, String fact) {
    byte[] zip = new ZipBytes().add("archive/data.pkl", sound()).add(ZERO, SIX, change).toBytes();
    return Refusal.of(what, zip, fact);
  }

  /** One byte that belongs to nothing, before the directory. */
  private static byte[] between(byte[] zip) {
    int directory = -1;
    for (int i = zip.length - 4; i >= 0; i--) {
      if (zip[i] == 'P' && zip[i + 1] == 'K' && zip[i + 2] == 1) {
        directory = i;
      }
    }
    return new LittleEndian()
        .bytes(Arrays.copyOf(zip, directory))
        .u8(0)
        .bytes(Arrays.copyOfRange(zip, directory, zip.length))
        .toBytes();
  }

  private static void assertLoads(ZipBytes zip) throws IOException {
    try (var checkpoint = Refusal.image(zip.toBytes())) {
      assertArrayEquals(new float[] {0, 1, 2, 3, 4, 5}, checkpoint.read("w", Tensor::toFloats));
    }
  }

  @ParameterizedTest(name = "38 an honest descriptor of {0} bytes loads, with zip64 and without")
  @ValueSource(ints = {0, 12, 16, 20, 24})
  void descriptors(int length) throws IOException {
    assertLoads(members(sound(), SIX).change(m -> m.descriptor = length));
    assertLoads(
        members(sound(), SIX)
            .change(
                m -> {
                  m.descriptor = length;
                  m.zip64 = true;
                })
            .zip64End(true));
  }

  /** Layout of miniz, with which torch writes (pytorch/pytorch, third_party/miniz/miniz.c). */
  @ParameterizedTest(name = "38 what torch writes loads, beyond 4 GB: {0}")
  @ValueSource(booleans = {false, true})
  void miniz(boolean large) throws IOException {
    byte[] padding = new LittleEndian().utf8("FB").u16(5).utf8("ZZZZZ").toBytes();
    var zip = members(sound(), SIX).add("archive/data/empty", new byte[0]);
    assertLoads(
        zip.add("archive/byteorder", ascii("little"))
            .add("archive/.data/serialization_id", ascii("0".repeat(40)))
            .change(
                m -> {
                  m.flags = 1 << 11;
                  m.descriptor = m.data.length == 0 ? 0 : large ? 24 : 16;
                  m.zip64Offset = large;
                  m.localExtra = padding;
                })
            .zip64End(false));
  }

  @Test
  @DisplayName("35 the extension and the directory's name decide nothing")
  void extension() throws IOException {
    var file =
        Files.write(
            dir.resolve("picture.jpg"),
            new ZipBytes().add("x/data.pkl", sound()).add("x/data/0", SIX).toBytes());
    try (var checkpoint = Checkpoint.open(file)) {
      assertEquals("PyTorch zip", checkpoint.format());
      assertEquals("picture.jpg", checkpoint.name());
    }
  }

  @Test
  @DisplayName("40 a version of 1 GB is not read")
  void hugeVersion() throws IOException {
    // The directory is that of a member of 1 GB; the file has as many bytes there, all of them 0.
    byte[] mark = ascii("3");
    byte[] zip =
        new ZipBytes()
            .add("archive/data.pkl", sound())
            .add(ZERO, SIX)
            .add("archive/version", mark, m -> m.size = 1 << 30)
            .toBytes();
    int data = indexOf(zip, "archive/version") + "archive/version".length();
    long grown = (1L << 30) - mark.length;
    var file = dir.resolve("huge.pt");
    try (var out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(zip, 0, data);
      out.seek(data + (1L << 30));
      byte[] rest = Arrays.copyOfRange(zip, data + mark.length, zip.length);
      int begin = rest.length - 22 + 16;
      long directory = (rest[begin] & 0xFF | (rest[begin + 1] & 0xFF) << 8) + grown;
      for (int i = 0; i < 4; i++) {
        rest[begin + i] = (byte) (directory >>> 8 * i);
      }
      out.write(rest);
    }
    Refusal.refused(file, "archive/version has 1073741824 bytes, expected at most 64");
  }

  private static int indexOf(byte[] bytes, String text) {
    return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
  }
}
