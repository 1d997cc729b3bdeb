package dev.gatun.models.checkpoint;

import static dev.gatun.models.checkpoint.SafetensorsBytes.PAIR;
import static dev.gatun.models.checkpoint.SafetensorsBytes.file;
import static dev.gatun.models.checkpoint.SafetensorsBytes.header;
import static dev.gatun.models.checkpoint.SafetensorsBytes.pair;
import static dev.gatun.models.checkpoint.SafetensorsBytes.tensor;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What has broken other readers of safetensors; the numbers are those of the list of cases. */
class HostileSafetensorsTest {
  @TempDir Path dir;

  @ParameterizedTest(name = "{0}")
  @MethodSource
  void refused(Refusal refusal) {
    refusal.check();
  }

  static Stream<Refusal> refused() {
    return Stream.of(
        Refusal.of("1 empty file", new byte[0], "only 0 bytes long"),
        Refusal.of("1 seven bytes", new byte[7], "only 7 bytes long"),
        Refusal.of("1 only a length", file(2, new byte[0], new byte[0]), "header of 2 bytes"),
        Refusal.of("1 a length of zero and no more", new byte[8], "empty safetensors header"),
        Refusal.of("2 length 2^64-1", length(-1), "header of 18446744073709551615 bytes"),
        Refusal.of("2 length + 8 wraps", length(-8), "header of 18446744073709551608 bytes"),
        Refusal.of("2 length 2^63-1", length(Long.MAX_VALUE), "header of 9223372036854775807"),
        Refusal.of("3 length over the cap", length(100_000_001), "the limit is 100000000"),
        Refusal.of("3 length over the file", length(1000), "header of 1000 bytes", "has only"),
        Refusal.of(
            "4 not UTF-8", raw('{', '"', 0xC3, '(', '"', ':', '1', '}'), "not UTF-8 at byte 2"),
        Refusal.of("4 byte-order mark", file("\uFEFF" + PAIR, 8), "neither safetensors", "ef"),
        Refusal.of("4 first byte is not {", file("[1]", 0), "begins with '{' at byte 8", "5b"),
        Refusal.of("4 leading blanks", file("  " + PAIR, 8), "begins with '{' at byte 8", "20"),
        Refusal.of("4 empty header with data", file("{}", 8), "8 bytes after its last tensor"),
        Refusal.of("4 text after the header", file(PAIR + "x", 8), "text follows the value"),
        new Refusal("5 more tensors than heap", () -> many(400_000), "too many values"),
        new Refusal("5 nesting 100,000 deep", () -> file(deep(), 0), "nest deeper than 64"),
        new Refusal(
            "5 key of 10 MB",
            () -> file(header(tensor("k".repeat(10_000_000), "F32", "[0]", "[0,0]")), 0),
            "(10000000 characters)",
            "between 1 and 1024"),
        shape("5 extent 1e400", "[1e400]", "tensor w", "item 0 of 'shape' is 1e400"),
        shape("5 number of 30 digits", "[123456789012345678901234567890]", "whole number"),
        shape("5 number of 100 digits", "[" + "9".repeat(100) + "]", "longer than 64 characters"),
        Refusal.of(
            "6 duplicate key",
            file(header(tensor("a", "U8", "[1]", "[0,1]"), tensor("a", "U8", "[1]", "[1,2]")), 2),
            "key 'a' occurs twice"),
        Refusal.of(
            "6 duplicate through an escape",
            file(
                header(tensor("a", "U8", "[1]", "[0,1]"), tensor("\\u0061", "U8", "[1]", "[1,2]")),
                2),
            "key 'a' occurs twice"),
        Refusal.of(
            "6 duplicate inside a tensor",
            file(
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}", 1),
            "key 'shape' occurs twice"),
        Refusal.of(
            "7 overlap",
            file(header(tensor("a", "U8", "[2]", "[0,2]"), tensor("b", "U8", "[2]", "[1,3]")), 3),
            "tensor b begins at byte 1 of the data, inside the tensor before it"),
        Refusal.of(
            "7 gap",
            file(header(tensor("a", "U8", "[1]", "[0,1]"), tensor("b", "U8", "[1]", "[2,3]")), 3),
            "tensor b begins at byte 2 of the data, after a gap"),
        offsets("7 first offset is not 0", "[8,16]", "tensor w begins at byte 8"),
        Refusal.of("7 trailing byte", append(pair(), 1), "1 bytes after its last tensor"),
        Refusal.of(
            "7 also a zip",
            new LittleEndian().bytes(pair()).bytes(TorchBytes.zip()).toBytes(),
            "bytes after its last tensor",
            "two files in one"),
        offsets("8 negative", "[-8,0]", "tensor w has the data_offsets [-8, 0]"),
        offsets("8 reversed", "[8,0]", "tensor w has the data_offsets [8, 0]"),
        offsets("8 fractional", "[0,8.0]", "tensor w", "item 1 of 'data_offsets' is 8.0"),
        offsets("8 one", "[0]", "tensor w has the data_offsets [0]"),
        offsets("8 three", "[0,4,8]", "tensor w has the data_offsets [0, 4, 8]"),
        offsets(
            "8 past the data", "[0,8]", "tensor w ends at byte 8 of the data, which has only 0"),
        shape("9 product wraps to 0", "[4294967296,4294967296]", "extent 4294967296"),
        shape(
            "9 product wraps to 0 with extents of 31 bits",
            "[1073741824,1073741824,1073741824,4]",
            "does not fit in 63 bits"),
        shape("9 extent -1", "[-1]", "tensor w has the shape [-1], whose extent -1"),
        shape("10 one byte too few", "[3,3]", "has 8 bytes of data", "F32 [3, 3] needs 36"),
        Refusal.of(
            "10 off by one byte",
            file(header(tensor("w", "F32", "[2]", "[0,9]")), 9),
            "tensor w has 9 bytes of data, F32 [2] needs 8"),
        shape("11 overflow before a zero", "[1099511627776,1099511627776,0]", "1099511627776"),
        shape(
            "11 overflow before a zero with extents of 31 bits",
            "[2147483647,2147483647,2147483647,0]",
            "tensor w",
            "does not fit in 63 bits"),
        shape("11 more axes than anybody has", "[" + "1,".repeat(40) + "2]", "has 41 axes"),
        dtype("12 unknown dtype", "F33"),
        dtype("12 half a byte", "F4"),
        dtype("12 eight bits", "F8_E4M3"),
        dtype("12 lower case", "f32"),
        metadata("13 a string", "\"x\"", "its __metadata__ is a string"),
        metadata("13 a number inside", "{\"step\":1}", "has a number under step"),
        metadata("13 an object inside", "{\"config\":{}}", "has an object under config"),
        Refusal.of(
            "15 name of 1 MB",
            file(header(tensor("n".repeat(1 << 20), "F32", "[0]", "[0,0]")), 0),
            "(1048576 characters)"),
        Refusal.of("15 empty name", file(header(tensor("", "U8", "[0]", "[0,0]")), 0), "between 1"),
        Refusal.of("a PNG", raw8(0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0), "89 50 4e 47"),
        Refusal.of(
            "a Git LFS pointer",
            TorchBytes.ascii("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
            "git lfs pull"),
        Refusal.of("a tensor that is a list", file("{\"w\":[]}", 0), "tensor w is described by an"),
        Refusal.of(
            "a tensor without dtype", file("{\"w\":{\"shape\":[]}}", 0), "'dtype' is missing"));
  }

  private static Refusal shape(String what, String shape, String... facts) {
    return Refusal.of(what, file(header(tensor("w", "F32", shape, "[0,8]")), 8), facts);
  }

  private static Refusal offsets(String what, String offsets, String... facts) {
    return Refusal.of(what, file(header(tensor("w", "F32", "[2]", offsets)), 0), facts);
  }

  private static Refusal dtype(String what, String dtype) {
    return Refusal.of(
        what,
        file(header(tensor("w", dtype, "[3]", "[0,2]")), 2),
        "tensor w has the dtype " + dtype,
        "convert it to one of F64, F32");
  }

  private static Refusal metadata(String what, String metadata, String fact) {
    return Refusal.of(what, file("{\"__metadata__\":" + metadata + "}", 0), fact);
  }

  private static byte[] length(long length) {
    return file(length, PAIR.getBytes(StandardCharsets.UTF_8), new byte[8]);
  }

  private static byte[] raw(int... header) {
    return file(header.length, new LittleEndian().u8(header).toBytes(), new byte[0]);
  }

  private static byte[] raw8(int... bytes) {
    return new LittleEndian().u8(bytes).toBytes();
  }

  private static byte[] append(byte[] bytes, int count) {
    return new LittleEndian().bytes(bytes).bytes(new byte[count]).toBytes();
  }

  private static byte[] many(int count) {
    var tensors =
        IntStream.range(0, count)
            .mapToObj(i -> tensor("t" + i, "F32", "[0]", "[0,0]"))
            .collect(Collectors.joining(","));
    return file("{" + tensors + "}", 0);
  }

  private static String deep() {
    return "{\"w\":" + "[".repeat(100_000) + "]".repeat(100_000) + "}";
  }

  @Test
  @DisplayName("3 a header of 2^31 bytes in a file that has them")
  void hugeHeader() throws IOException {
    var file = dir.resolve("huge.safetensors");
    try (var out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(length((1L << 31) + 8));
      out.setLength((1L << 31) + (1 << 20));
    }
    Refusal.refused(file, "header of 2147483656 bytes, the limit is 100000000");
  }

  @Test
  @DisplayName("3 an honest file of more than 2^31 bytes opens, and its end can be read")
  void hugeFile() throws IOException {
    var file = dir.resolve("big.safetensors");
    long end = 2200L * 1_000_000;
    byte[] head =
        file(
            header(
                tensor("big", "U8", "[2200,1000000]", "[0," + end + "]"),
                tensor("last", "F32", "[2]", "[" + end + "," + (end + 8) + "]")),
            0);
    try (var out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(head);
      out.seek(head.length + end);
      out.write(new LittleEndian().f32(3, -4).toBytes());
    }
    try (var checkpoint = Checkpoint.open(file)) {
      assertArrayEquals(new float[] {3, -4}, checkpoint.read("last", Tensor::toFloats));
      assertEquals(0, Refusal.number(checkpoint, "big", end - 1));
    }
  }

  @Test
  @DisplayName("5 honest 100,000 tensors load")
  void manyTensors() throws IOException {
    try (var checkpoint = Refusal.image(many(100_000))) {
      assertEquals(100_000, checkpoint.tensors().size());
    }
  }

  @Test
  @DisplayName("15 a name that looks like a path is only a name, and is shown without its NUL")
  void pathAsName() throws IOException {
    var keys =
        header(tensor("../../x", "U8", "[1]", "[0,1]"), tensor("a\\u0000", "U8", "[0]", "[1,1]"));
    try (var checkpoint = Refusal.image(file(keys, 1))) {
      assertEquals(0, Refusal.number(checkpoint, "../../x", 0));
      assertEquals(0, checkpoint.read("a\0", Tensor::toFloats).length);
      var e = assertThrows(CheckpointException.class, () -> checkpoint.read("b\0", t -> t));
      Refusal.sentence(e, Refusal.NAME, "has no tensor b\\u0000 among its 2", "../../x U8 [1]");
    }
  }

  @Test
  @DisplayName("16 the extension decides nothing")
  void extension() throws IOException {
    var honest = Files.write(dir.resolve("model.ckpt"), pair());
    try (var checkpoint = Checkpoint.open(honest)) {
      assertEquals("safetensors", checkpoint.format());
    }
    byte[] evil = new PickleBytes().global("os", "system").text("true").op(0x85, 'R').stop();
    Refusal.refused(
        Files.write(dir.resolve("x.SAFETENSORS"), TorchBytes.zip(evil)), "asks for os.system");
    Refusal.refused(Files.write(dir.resolve("x.ckpt"), evil), "asks for os.system");
  }

  @Test
  @DisplayName("17 a file that is cut off after it was opened")
  @DisabledOnOs(value = OS.WINDOWS, disabledReason = "a mapped file cannot be cut off there")
  void truncatedWhileOpen() throws IOException {
    int size = 1 << 20;
    var name = dir.resolve("cut.safetensors");
    Files.write(name, file(header(tensor("w", "F32", "[262144]", "[0," + size + "]")), size));
    try (var checkpoint = Checkpoint.open(name)) {
      assertEquals(0, Refusal.number(checkpoint, "w", 262_143));
      try (var channel = FileChannel.open(name, StandardOpenOption.WRITE)) {
        channel.truncate(100);
      }
      var e = assertThrows(CheckpointException.class, () -> checkpoint.read("w", Tensor::toFloats));
      Refusal.sentence(e, "cut.safetensors", "was cut off");
    }
  }

  @Test
  @DisplayName("11, 12 honest scalars, empty tensors and all types load")
  void honest() throws IOException {
    var header = new StringBuilder("{\"__metadata__\":{\"config\":\"{\\\"a\\\": 1}\"}");
    int at = 0;
    for (var dtype : DType.values()) {
      int end = at + dtype.bytes();
      header
          .append(",")
          .append(tensor(dtype + ".scalar", dtype + "", "[]", "[" + at + "," + end + "]"));
      header
          .append(",")
          .append(tensor(dtype + ".empty", dtype + "", "[7,0,2]", "[" + end + "," + end + "]"));
      at = end;
    }
    // A data section that begins at an odd byte.
    byte[] data = new byte[at];
    Arrays.fill(data, (byte) 1);
    try (var checkpoint = Refusal.image(file(header + "}   ", data))) {
      assertEquals("{\"a\": 1}", checkpoint.metadata().get("config"));
      assertEquals(2 * DType.values().length, checkpoint.tensors().size());
      assertEquals(DType.F64 + ".scalar", checkpoint.tensors().firstEntry().getKey());
      assertEquals((double) 0x0101010101010101L, Refusal.number(checkpoint, "I64.scalar", 0));
      assertEquals(Float.intBitsToFloat(0x01010000), Refusal.number(checkpoint, "BF16.scalar", 0));
      assertEquals(
          Float.float16ToFloat((short) 0x0101), Refusal.number(checkpoint, "F16.scalar", 0));
      assertEquals(0, checkpoint.read("F32.empty", Tensor::toFloats).length);
    }
  }
}
