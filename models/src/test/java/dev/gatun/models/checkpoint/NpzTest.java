package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** NumPy's archives: what is written can be read, by NumPy too, and what is unsound is refused. */
class NpzTest {
  private static final long SEED = 17;

  @TempDir Path dir;

  private static byte[] bytes(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_BYTE);
  }

  /** Opens bytes in memory. */
  private static Npz image(byte[] bytes) throws CheckpointException {
    return new Npz(new MappedFile(new Source(Refusal.NAME, Refusal.offHeap(bytes)), null));
  }

  private Path resource(String name) throws IOException {
    return Files.write(dir.resolve(name), TorchCheckpointTest.resource(name));
  }

  /** The files of {@code numpy_savez.py}. */
  @ParameterizedTest
  @ValueSource(strings = {"savez.npz", "savez_compressed.npz"})
  void whatNumPyWritesIsRead(String name) throws IOException {
    try (var npz = Npz.open(resource(name))) {
      assertEquals(name, npz.name());
      assertEquals(List.of("arr_0", "arr_1"), List.copyOf(npz.arrays().keySet()));
      var info = new TensorInfo("arr_0", DType.U8, Shape.of(2, 4, 5, 3));
      assertEquals(info, npz.arrays().get("arr_0"));
      byte[] expected = new byte[120];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = (byte) (7 * i);
      }
      for (int i = 0; i < 2; i++) {
        assertArrayEquals(expected, npz.read("arr_0", NpzTest::bytes));
      }
      assertEquals(2, npz.<Integer>read("arr_1", labels -> labels.dim(0)));
      assertEquals(207, npz.<Long>read("arr_1", labels -> labels.getLong(0)));
      assertEquals(999, npz.<Long>read("arr_1", labels -> labels.getLong(1)));
      var e = assertThrows(CheckpointException.class, () -> npz.read("arr_2", NpzTest::bytes));
      Refusal.sentence(e, name, "has no array arr_2; it has arr_0, arr_1");
    }
  }

  /** But for the operating system that NumPy notes, the very bytes of {@code numpy.savez}. */
  @Test
  void whatIsWrittenIsWhatNumPyWrites() throws IOException {
    byte[] expected = TorchCheckpointTest.resource("savez.npz");
    var file = dir.resolve("own.npz");
    try (var writer = NpzWriter.create(file, 2, 4, 5, 3)) {
      byte[] pixels = new byte[60];
      for (int image = 0; image < 2; image++) {
        for (int i = 0; i < pixels.length; i++) {
          pixels[i] = (byte) (7 * (60 * image + i));
        }
        writer.write(pixels);
      }
      writer.finish(new long[] {207, 999});
    }
    byte[] found = Files.readAllBytes(file);
    int central = new String(found, StandardCharsets.ISO_8859_1).indexOf("PK\1\2");
    assertArrayEquals(
        Arrays.copyOf(expected, central), Arrays.copyOf(found, central), "members and data");
    assertEquals(expected.length, found.length);
    try (var npz = Npz.open(file)) {
      assertEquals(999, npz.<Long>read("arr_1", labels -> labels.getLong(1)));
    }
  }

  @Test
  void picturesComeBackWithTheSameBytes() throws IOException {
    var random = new Random(SEED);
    byte[][] pictures = new byte[3][11 * 7 * 4];
    var file = dir.resolve("rgba.npz");
    try (var writer = NpzWriter.create(file, 3, 11, 7, 4)) {
      for (var picture : pictures) {
        random.nextBytes(picture);
        writer.write(picture);
      }
      writer.finish();
    }
    try (var npz = Npz.open(file)) {
      assertEquals(List.of("arr_0"), List.copyOf(npz.arrays().keySet()));
      for (int i = 0; i < 3; i++) {
        int at = i;
        byte[] found = npz.read("arr_0", all -> bytes(all.slice(at, at + 1)));
        assertArrayEquals(pictures[i], found, "picture " + i + ", seed " + SEED);
      }
    }
  }

  @Test
  void anUnfinishedFileLeavesTheOldOneAlone() throws IOException {
    var file = Files.writeString(dir.resolve("old.npz"), "old");
    try (var writer = NpzWriter.create(file, 2, 1, 1, 3)) {
      writer.write(new byte[3]);
      says(
          IllegalArgumentException.class,
          "has 4 bytes, expected 3",
          () -> writer.write(new byte[4]));
      says(IllegalStateException.class, "1 of 2 pictures were written", writer::finish);
      writer.write(new byte[3]);
      says(IllegalStateException.class, "all 2 pictures", () -> writer.write(new byte[3]));
      says(
          IllegalArgumentException.class,
          "3 labels for 2 pictures",
          () -> writer.finish(new long[3]));
    }
    assertEquals("old", Files.readString(file));
    says(
        IllegalArgumentException.class,
        "0 pictures of 1×1 pixels",
        () -> NpzWriter.create(file, 0, 1, 1, 3));
    try (var files = Files.list(dir)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  private static void says(Class<? extends Exception> kind, String fact, Executable code) {
    var e = assertThrows(kind, code);
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  /** 5 GiB of pictures, of which nothing is on the disk; the labels come after them. */
  @Test
  void beyondFourGibibytesZip64FieldsSayWhereThingsAre() throws IOException {
    long pictures = 5L << 30;
    var shape = Shape.of(5, 1 << 15, 1 << 15, 1);
    byte[] header = NpyHeader.write(DType.U8, shape);
    var first = new StoredMember("arr_0.npy", 0, header.length + pictures, 0);
    byte[] labels =
        new LittleEndian()
            .bytes(NpyHeader.write(DType.I64, Shape.of(5)))
            .u64(1)
            .u64(2)
            .u64(3)
            .u64(4)
            .u64(1L << 40)
            .toBytes();
    var crc = new CRC32();
    crc.update(labels);
    long second = first.local().length + first.size();
    var last = new StoredMember("arr_1.npy", second, labels.length, crc.getValue());
    long end = second + last.local().length + labels.length;
    var file = dir.resolve("large.npz");
    try (var out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(first.local());
      out.write(header);
      out.seek(second);
      out.write(last.local());
      out.write(labels);
      out.write(StoredMember.directory(List.of(first, last), end));
    }
    try (var npz = Npz.open(file)) {
      assertEquals(new TensorInfo("arr_0", DType.U8, shape), npz.arrays().get("arr_0"));
      assertEquals(1L << 40, npz.<Long>read("arr_1", tensor -> tensor.getLong(4)));
    }
  }

  private static byte[] npy(String header, int data) {
    return npy(1, header, data);
  }

  private static byte[] npy(int version, String header, int data) {
    var out = new LittleEndian().u8(0x93).utf8("NUMPY").u8(version, 0);
    if (version == 1) {
      out.u16(header.length());
    } else {
      out.u32(header.length());
    }
    return out.utf8(header).bytes(new byte[data]).toBytes();
  }

  private static String header(String descr, String order, String shape) {
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n".formatted(descr, order, shape);
  }

  private static byte[] zip(byte[] npy) {
    return new ZipBytes().add("arr_0.npy", npy).toBytes();
  }

  private static byte[] deflated(byte[] npy, Consumer<ZipBytes.Member> change) {
    var packed = new ByteArrayOutputStream();
    try (var out = new DeflaterOutputStream(packed, new Deflater(9, true))) {
      out.write(npy);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    var crc = new CRC32();
    crc.update(npy);
    return new ZipBytes()
        .add(
            "arr_0.npy",
            packed.toByteArray(),
            member -> {
              member.method = 8;
              member.crc = crc.getValue();
              member.unpacked = npy.length;
              change.accept(member);
            })
        .toBytes();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      textBlock =
          """
          '|u1'; U8;   1
          '|i1'; I8;   1
          '|b1'; BOOL; 1
          '<i2'; I16;  2
          '<i4'; I32;  4
          '<i8'; I64;  8
          '<f2'; F16;  2
          '<f4'; F32;  4
          '<f8'; F64;  8
          """,
      quoteCharacter = '`')
  void everyTypeOfNumbersIsRead(String descr, DType dtype, int bytes) throws IOException {
    int i = 0;
    for (int version = 1; version <= 3; version++) {
      byte[] npy = npy(version, header(descr, "False", "(2, 3)"), 6 * bytes);
      for (var image : List.of(zip(npy), deflated(npy, member -> {}))) {
        var file = Files.write(dir.resolve(++i + ".npz"), image);
        try (var npz = Npz.open(file)) {
          var info = new TensorInfo("arr_0", dtype, Shape.of(2, 3));
          assertEquals(info, npz.arrays().get("arr_0"));
          assertArrayEquals(new byte[6 * bytes], npz.read("arr_0", NpzTest::bytes));
        }
      }
    }
  }

  /** What other writers of the format do differently. */
  @Test
  void otherHonestHeadersAreRead() throws IOException {
    var vector = npy("{\"shape\":(3,),'fortran_order': True,'descr':'|u1'}", 3);
    var scalar = npy(header("'<f8'", "False", "()"), 8);
    var empty = npy(header("'<f8'", "False", "(0, 7)"), 0);
    byte[] image =
        new ZipBytes()
            .add("vector.npy", vector, member -> member.descriptor = 24)
            .add("scalar.npy", scalar, member -> member.zip64 = true)
            .add("empty.npy", empty)
            .toBytes();
    try (var npz = Npz.open(Files.write(dir.resolve("other.npz"), image))) {
      assertEquals(Shape.of(3), npz.arrays().get("vector").shape());
      assertEquals(0, npz.<Double>read("scalar", tensor -> tensor.getDouble(0)));
      assertEquals(0, npz.<Long>read("empty", tensor -> tensor.shape().size()));
    }
  }

  private static Refusal header(
      String what, String descr, String order, String shape, String fact) {
    return Refusal.of(what, zip(npy(header(descr, order, shape), 6)), "arr_0", fact);
  }

  static List<Refusal> refusals() {
    byte[] sound = npy(header("'|u1'", "False", "(2, 3)"), 6);
    byte[] bomb = npy(header("'|u1'", "False", "(1048576,)"), 1 << 20);
    return List.of(
        header("49 objects", "'|O'", "False", "(2, 3)", "Python objects, which are never read"),
        header("49 Fortran", "'|u1'", "True", "(2, 3)", "is in Fortran order"),
        header("49 eval", "__import__('os').system('x')", "False", "(6,)", "expected a string"),
        header("49 eval in the shape", "'|u1'", "False", "(3*2,)", "does not write: expected"),
        header("49 eval in a number", "'|u1'", "False", "(6 if 1 else 2,)", "does not write"),
        header("49 records", "[('a', '|u1')]", "False", "(6,)", "is an array of records"),
        header("49 big-endian", "'>i2'", "False", "(3,)", "the type '>i2', which cannot be read"),
        header("49 text", "'<U6'", "False", "()", "the type '<U6', which cannot be read"),
        header("49 escape", "'\\x7cu1'", "False", "(6,)", "a string without escapes"),
        header("49 no tuple", "'|u1'", "False", "(6)", "expected a tuple"),
        header("49 negative", "'|u1'", "False", "(-1, -6)", "expected a whole number"),
        header("49 no number", "'|u1'", "False", "(,)", "expected a whole number"),
        header("49 order", "'|u1'", "None", "(6,)", "expected True or False"),
        header("49 too many digits", "'|u1'", "False", "(99999999999999999999,)", "a whole number"),
        header("49 extent of 2^31", "'|u1'", "False", "(2147483648,)", "extent 2147483648"),
        header("44 more than the data", "'|u1'", "False", "(2, 4)", "has 8 bytes, but 6 follow"),
        header("44 less than the data", "'|u1'", "False", "(5,)", "has 5 bytes, but 6 follow"),
        header(
            "49 overflow",
            "'<f8'",
            "False",
            "(2147483647, 2147483647, 2147483647)",
            "does not fit in 63 bits"),
        header(
            "11 overflow before a zero",
            "'<f8'",
            "False",
            "(2147483647, 2147483647, 2147483647, 0)",
            "does not fit in 63 bits"),
        header("33 axes", "'|u1'", "False", "(" + "1, ".repeat(33) + ")", "has 33 axes"),
        Refusal.of("49 no dictionary", zip(npy("('descr',)", 6)), "expected '{'"),
        Refusal.of("49 cut dictionary", zip(npy("{'descr': '|u1', ", 6)), "expected a string"),
        Refusal.of("49 unknown key", zip(npy("{'x': 1}", 6)), "has the key 'x' in its header"),
        Refusal.of("49 key twice", zip(npy("{'descr': '|u1', 'descr': '|O'}", 6)), "'descr' once"),
        Refusal.of("49 key missing", zip(npy("{'descr': '|u1'}", 6)), "'fortran_order', 'shape'"),
        Refusal.of(
            "49 more after the end",
            zip(npy(header("'|u1'", "False", "(6,)") + "+1", 6)),
            "expected its end"),
        Refusal.of("49 version", zip(npy(4, "{}", 6)), "is in version 4.0 of the .npy format"),
        Refusal.of("49 long header", zip(npy(" ".repeat(10_001), 6)), "a header of 10001 bytes"),
        Refusal.of(
            "49 header past the end",
            zip(new LittleEndian().u8(0x93).utf8("NUMPY").u8(3, 0).u32(0xFFFFFFFFL).toBytes()),
            "has a header of 4294967295 bytes, expected at most 0"),
        Refusal.of("no magic", zip(new byte[64]), "is no array in the .npy format"),
        Refusal.of("nothing", zip(new byte[0]), "is no array in the .npy format"),
        Refusal.of("no zip", sound, "is no .npz file"),
        Refusal.of(
            "another member",
            new ZipBytes().add("data.pkl", sound).toBytes(),
            "data.pkl is no array, whose name ends in .npy"),
        Refusal.of(
            "39 twice",
            new ZipBytes().add("a.npy", sound).add("a.npy", sound).toBytes(),
            "occurs twice"),
        Refusal.of(
            "33 encrypted",
            new ZipBytes().add("a.npy", sound, member -> member.flags = 1).toBytes(),
            "is encrypted"),
        Refusal.of(
            "37 another compression",
            deflated(sound, member -> member.method = 12),
            "is compressed (method 12), which cannot be read"),
        Refusal.of(
            "34 methods differ",
            changed(deflated(sound, member -> {}), 8, 0),
            "contradicts the directory"),
        Refusal.of(
            "49 bomb",
            deflated(
                sound,
                member -> {
                  member.unpacked = 1L << 40;
                  member.zip64 = true;
                }),
            "is said to have 1099511627776 bytes, more than its"),
        Refusal.of(
            "49 bomb of 2^63",
            deflated(
                sound,
                member -> {
                  member.unpacked = Long.MIN_VALUE;
                  member.zip64 = true;
                }),
            "is said to have 9223372036854775808 bytes"),
        Refusal.of(
            "44 unpacked size too small for the shape",
            deflated(bomb, member -> member.unpacked = 4096),
            "which has 1048576 bytes, but"),
        Refusal.of("cut off", Arrays.copyOf(zip(sound), 100), "does not end with the end record"));
  }

  /** One byte of a file changed. */
  private static byte[] changed(byte[] file, int at, int value) {
    file[at] = (byte) value;
    return file;
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void unsoundFilesAreRefused(Refusal refusal) {
    byte[] bytes = refusal.file().get();
    var e = assertThrows(CheckpointException.class, () -> image(bytes).close());
    Refusal.sentence(e, Refusal.NAME, refusal.facts());
  }

  /** What only the elements show is found when they are read, and every time. */
  @Test
  void damagedElementsAreRefused() throws IOException {
    byte[] npy = npy(header("'|u1'", "False", "(1048576,)"), 1 << 20);
    unreadable(zip(npy), 4096, "has the CRC-32");
    unreadable(deflated(npy, member -> member.crc ^= 1), -1, "has the CRC-32");
    byte[] longer = npy(header("'|u1'", "False", "(1048576,)"), (1 << 20) + 1);
    unreadable(deflated(longer, member -> member.unpacked--), -1, "does not become the");
    byte[] shorter = npy(header("'|u1'", "False", "(1048576,)"), (1 << 20) - 1);
    unreadable(deflated(shorter, member -> member.unpacked++), -1, "does not become the");
  }

  /** A compressed array that may be honest, but has more than is unpacked into memory. */
  @Test
  void whatUnpacksToMoreThanAGibibyteIsNotUnpacked() throws IOException {
    byte[] npy = npy(header("'|u1'", "False", "(3, 536870912)"), 0);
    var packed = new ByteArrayOutputStream();
    try (var out = new DeflaterOutputStream(packed, new Deflater(9, true))) {
      out.write(npy);
      out.write(new byte[1 << 20]);
    }
    byte[] data = Arrays.copyOf(packed.toByteArray(), 2 << 20);
    byte[] image =
        new ZipBytes()
            .add(
                "arr_0.npy",
                data,
                member -> {
                  member.method = 8;
                  member.unpacked = npy.length + 3L * (1 << 29);
                })
            .toBytes();
    unreadable(image, -1, "would be unpacked to 1610612");
  }

  private void unreadable(byte[] image, int flip, String fact) {
    try {
      if (flip >= 0) {
        image[flip] ^= 1;
      }
      try (var npz = image(image)) {
        for (int i = 0; i < 2; i++) {
          var e =
              assertThrows(
                  CheckpointException.class, () -> npz.read("arr_0", NpzTest::bytes), fact);
          Refusal.sentence(e, Refusal.NAME, "arr_0.npy " + fact);
        }
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Whatever byte is changed, the file is read or refused with a sentence, and nothing else. */
  @ParameterizedTest
  @ValueSource(strings = {"savez.npz", "savez_compressed.npz"})
  void anyChangedByteIsReadOrRefused(String name) throws IOException {
    byte[] sound = TorchCheckpointTest.resource(name);
    var random = new Random(SEED);
    int refused = 0;
    for (int at = 0; at < sound.length; at++) {
      byte[] changed = sound.clone();
      changed[at] ^= (byte) (1 + random.nextInt(255));
      try (var npz = image(changed)) {
        for (var key : npz.arrays().keySet()) {
          npz.read(key, NpzTest::bytes);
        }
      } catch (CheckpointException e) {
        refused++;
        Refusal.sentence(e, Refusal.NAME);
      } catch (RuntimeException e) {
        throw new AssertionError("byte " + at + ", seed " + SEED, e);
      }
    }
    assertTrue(refused > sound.length * 8 / 10, refused + " of " + sound.length + " refused");
  }

  @Test
  void aClosedFileIsNotRead() throws IOException {
    var npz = Npz.open(resource("savez.npz"));
    npz.close();
    npz.close();
    assertThrows(IllegalStateException.class, () -> npz.read("arr_0", NpzTest::bytes));
  }

  @Test
  void aMissingFileIsNamed() {
    var e = assertThrows(CheckpointException.class, () -> Npz.open(dir.resolve("none.npz")));
    Refusal.sentence(e, "none.npz", "there is no such file");
  }
}
