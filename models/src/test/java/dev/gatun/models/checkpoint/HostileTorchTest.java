package dev.gatun.models.checkpoint;

import static dev.gatun.models.checkpoint.PickleBytes.dims;
import static dev.gatun.models.checkpoint.PickleBytes.single;
import static dev.gatun.models.checkpoint.PickleBytes.sound;
import static dev.gatun.models.checkpoint.TorchBytes.SIX;
import static dev.gatun.models.checkpoint.TorchBytes.ascii;
import static dev.gatun.models.checkpoint.TorchBytes.members;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Hostile pickles (18 to 32); the numbers are those of the list of cases. */
class HostileTorchTest {
  @ParameterizedTest(name = "{0}")
  @MethodSource({"globals", "formats", "wrongTypes", "views", "machine", "frames"})
  void refused(Refusal refusal) {
    refusal.check();
  }

  /** A zip whose pickle is refused. */
  private static Refusal pickle(String what, PickleBytes pickle, String... facts) {
    return new Refusal(what, () -> TorchBytes.zip(pickle.stop()), facts);
  }

  private static PickleBytes start() {
    return new PickleBytes();
  }

  static Stream<Refusal> globals() {
    return Stream.of(
        global("18", "os", "system"),
        global("18", "posix", "system"),
        global("18", "nt", "system"),
        global("18", "builtins", "eval"),
        global("18", "__builtin__", "eval"),
        global("18", "torch", "load"),
        global("18", "torch.storage", "_load_from_bytes"),
        global("29", "torch._tensor", "_rebuild_from_type_v2"),
        global("35", "asyncio.unix_events", "_UnixSubprocessTransport._start"),
        global("35", "torch.jit.unsupported_tensor_ops", "execWrapper"),
        pickle(
            "18 a nested name by STACK_GLOBAL",
            new PickleBytes(4).stackGlobal("torch", "_utils._rebuild_tensor_v2"),
            "asks for torch._utils._rebuild_tensor_v2",
            "nothing was run"),
        pickle(
            "18 an attribute of an allowed name",
            new PickleBytes(4).stackGlobal("collections", "OrderedDict.__init__"),
            "asks for collections.OrderedDict.__init__"),
        pickle(
            "18 an allowed name with a line break in it",
            new PickleBytes(4).stackGlobal("collections\nOrderedDict", "x"),
            "collections\\u000aOrderedDict.x"),
        pickle("18 an opcode that makes instances", start().op('(', 'i'), "the opcode 0x69"),
        pickle("18 an extension registry", start().op(0x82, 1), "the opcode 0x82"),
        pickle(
            "29 a class that was reached without GLOBAL",
            start().storage("FloatStorage", "0", 6).op(')', 'R'),
            "calls a storage, which cannot be called"),
        pickle(
            "29 a storage class is no function",
            start().global("torch", "FloatStorage").op(')', 'R'),
            "calls a class or function, which cannot be called"));
  }

  private static Refusal global(String number, String module, String name) {
    return pickle(
        number + " GLOBAL " + module + "." + name,
        start().global(module, name).text("true").op(0x85, 'R'),
        "asks for " + module + "." + name,
        "nothing was run",
        "save the state_dict alone");
  }

  static Stream<Refusal> formats() {
    byte[] tar = new byte[1024];
    System.arraycopy(ascii("ustar"), 0, tar, 257, 5);
    byte[] evil = start().global("os", "system").text("true").op(0x85, 'R').stop();
    byte[] big = TorchBytes.machine(false);
    return Stream.of(
        Refusal.of("19 tar", tar, "is a tar archive"),
        Refusal.of("19 legacy with a hostile pickle", TorchBytes.legacy(evil, 6), "os.system"),
        Refusal.of("19 a pickle without the magic number", sound(), "magic number is missing"),
        Refusal.of(
            "19 legacy of another size than its pickle says",
            replace(TorchBytes.legacy(), new LittleEndian().u64(6), new LittleEndian().u64(5)),
            "storage 77 has 5 elements, its pickle says 6"),
        Refusal.of(
            "19 legacy, cut off",
            Arrays.copyOf(TorchBytes.legacy(), TorchBytes.legacy().length - 1),
            "ends after",
            "before the 24 bytes"),
        Refusal.of(
            "19 legacy with bytes after it",
            new LittleEndian().bytes(TorchBytes.legacy()).u8(0).toBytes(),
            "1 bytes after its last storage"),
        Refusal.of(
            "40 legacy of a big-endian machine",
            replace(
                TorchBytes.legacy(),
                new LittleEndian().bytes(TorchBytes.machine(true)),
                new LittleEndian().bytes(big)),
            "byteorder is big"));
  }

  private static byte[] replace(byte[] file, LittleEndian from, LittleEndian to) {
    byte[] old = from.toBytes();
    byte[] now = to.toBytes();
    assertEquals(old.length, now.length);
    for (int at = file.length - old.length; at >= 0; at--) {
      if (Arrays.equals(file, at, at + old.length, old, 0, old.length)) {
        System.arraycopy(now, 0, file, at, now.length);
        return file;
      }
    }
    throw new AssertionError("not in the file");
  }

  static Stream<Refusal> wrongTypes() {
    var tensor = start().tensor(6, 0, dims(2, 3), dims(3, 1));
    return Stream.of(
        pickle("20 SETITEM of a list", start().op(']', 'N', 'N', 's'), "sets an item of a list"),
        pickle("20 SETITEMS of a tuple", start().op(')', '(', 'N', 'N', 'u'), "of a tuple"),
        pickle("20 SETITEMS of a tensor", tensor.op('(', 'N', 'N', 'u'), "item of a tensor"),
        pickle("20 SETITEMS of odd length", start().op('}', '(', 'N', 'u'), "key without a value"),
        pickle("20 APPEND to a dict", start().op('}', 'N', 'a'), "appends to a dict"),
        pickle("20 APPENDS to None", start().op('N', '(', 'N', 'e'), "appends to None"),
        pickle("20 BUILD of a dict", start().op('}', '}', 'b'), "sets attributes of a dict"),
        pickle("20 BUILD of a list", start().op(']', '}', 'b'), "sets attributes of a list"),
        pickle(
            "20 BUILD of a Namespace from a tuple",
            start().global("argparse", "Namespace").op(')', 0x81, ')', 'b'),
            "sets attributes of a Namespace from a tuple"),
        pickle("20 a list as a key", start().op('}', ']', 'N', 's'), "uses a list as a key"),
        pickle("20 REDUCE with a list", start().orderedDict().op(']', 'R'), "with a list"),
        pickle("20 BINPERSID of a string", start().text("storage").op('Q'), "in an unknown way"),
        pickle(
            "20 a key twice",
            start().op('}').text("w").op('N', 's').text("w").op('N', 's'),
            "has the key w twice"),
        pickle("a list of tensors", start().op(']'), "holds a list, expected a dict"),
        pickle(
            "a dict without tensors",
            start().op('}').text("epoch").number(3).op('s'),
            "holds no tensors under its keys (epoch)"));
  }

  static Stream<Refusal> views() {
    return Stream.of(
        view("21 too few bytes", 7, 0, dims(7), dims(1), "storage 0 has 24 bytes", "7 elements"),
        view("21 too many bytes", 5, 0, dims(5), dims(1), "storage 0 has 24 bytes", "5 elements"),
        view("22 wraps", 0x4000000000000001L, 0, dims(1), dims(1), "4611686018427387905 elements"),
        view("22 negative", -1, 0, dims(1), dims(1), "storage 0 of -1 elements"),
        outside("23 size past the storage", 0, dims(7), dims(1)),
        outside("23 stride past the storage", 0, dims(2, 2), dims(5, 1)),
        outside("23 offset past the storage", 5, dims(2), dims(1)),
        outside("23 offset of an empty tensor", 7, dims(0), dims(1)),
        outside("23 negative offset", -1, dims(2), dims(1)),
        outside("23 negative stride", 5, dims(2), dims(-1)),
        outside("23 negative stride of an empty tensor", 0, dims(0), dims(-1)),
        outside("23 fewer strides than axes", 0, dims(2, 3), dims(1)),
        outside("23 more strides than axes", 0, dims(2), dims(3, 1)),
        outside("23 stride overflows", 0, dims(3), dims(Long.MAX_VALUE)),
        outside("23 sum of strides overflows", 0, dims(2, 2), dims(Long.MAX_VALUE, Long.MAX_VALUE)),
        view("23 negative size", 6, 0, dims(-1), dims(1), "tensor w", "extent -1"),
        view("24 extent 2^40", 6, 0, dims(1L << 40), dims(0), "tensor w", "extent 1099511627776"),
        view(
            "24 zero strides",
            6,
            0,
            dims(1L << 20, 1L << 20),
            dims(0, 0),
            "needs more than",
            "the tensors that it describes"),
        view("24 overflow", 6, 0, dims(1 << 30, 1 << 30, 8), dims(0, 0, 0), "fit in 63 bits"),
        pickle(
            "23 a storage of two sizes",
            start()
                .op('}')
                .text("a")
                .tensor(6, 0, dims(6), dims(1))
                .op('s')
                .text("b")
                .tensor(7, 0, dims(7), dims(1))
                .op('s'),
            "storage 0 as 6 elements of F32 and as 7 of F32"),
        new Refusal(
            "23 a storage that is missing",
            () -> members(single(6, 0, dims(6), dims(1))).toBytes(),
            "storage 0 is missing: there is no member archive/data/0"),
        view("23 too many axes", 6, 0, new long[40], new long[40], "tensor w has 40 axes"));
  }

  private static Refusal view(
      String what, long elements, long offset, long[] size, long[] stride, String... facts) {
    return Refusal.of(what, TorchBytes.zip(single(elements, offset, size, stride)), facts);
  }

  private static Refusal outside(String what, long offset, long[] size, long[] stride) {
    return view(what, 6, offset, size, stride, "tensor w has the shape", "storage 0 of 6 elements");
  }

  static Stream<Refusal> machine() {
    var lists = start();
    for (int i = 0; i < 100_001; i++) {
      lists.op(']');
    }
    var marks = start();
    for (int i = 0; i < 1001; i++) {
      marks.op('(');
    }
    var sized = start().op(']');
    for (int i = 0; i < 1000; i++) {
      sized.op('N', 'a');
    }
    return Stream.of(
        pickle("27 LONG_BINPUT 2^31", start().op('N', 'r').u32(1L << 31), "index 2147483648"),
        pickle("28 BINPUT on nothing", start().op('q', 0), "from an empty stack"),
        pickle("28 TUPLE2 of one", start().op('N', 0x86), "from an empty stack"),
        pickle("28 below a mark", start().op('N', '(', 0x85), "from an empty stack"),
        pickle("28 no MARK", start().op('N', 't'), "has no MARK"),
        pickle("28 BINGET of nothing", start().op('h', 3), "memo at 3, where nothing was put"),
        pickle("28 LONG_BINGET of nothing", start().op('j').u32(-1), "memo at 4294967295"),
        pickle("28 length over the rest", start().op('X').u32(1000), "1000 bytes that an opcode"),
        pickle("28 a name that does not end", start().op('c'), "ends before the 1 bytes"),
        pickle("28 a name without end", start().op('c').raw(new byte[300]), "more than 256"),
        pickle("28 a number of 2^31 bytes", start().op(0x8b).u32(1L << 31), "2147483648 bytes"),
        pickle("28 text that is not UTF-8", start().op('X', 1, 0, 0, 0, 0xFF), "is not UTF-8"),
        pickle("28 an empty stack at STOP", start(), "stops with 0 values"),
        pickle("28 two values at STOP", start().op('N', 'N'), "stops with 2 values"),
        new Refusal("28 no STOP", () -> TorchBytes.zip(start().op('N').toBytes()), "no STOP"),
        new Refusal("28 no pickle", () -> TorchBytes.zip(new byte[0]), "ends before the 1 bytes"),
        new Refusal("28 no PROTO", () -> TorchBytes.zip(ascii("N.")), "does not begin with PROTO"),
        pickle("28 protocol 6", new PickleBytes(6), "protocol 6, expected 2 to 5"),
        new Refusal(
            "28 half an opcode",
            () -> TorchBytes.zip(start().op('J', 1, 2).toBytes()),
            "ends before the 4 bytes"),
        pickle("30 100,001 lists", lists, "more than 100000 values on its stack"),
        pickle("30 1,001 marks", marks, "nests deeper than 1000"),
        pickle(
            "30 a dict that is its own state_dict",
            start().op('}', 'q', 0).text("state_dict").op('h', 0, 's'),
            "holds no tensors under its keys (state_dict)"),
        pickle(
            "26 a shape of 1,000 axes",
            start()
                .op('}')
                .text("w")
                .global("torch._utils", "_rebuild_tensor")
                .op('(')
                .storage("FloatStorage", "0", 6)
                .number(0)
                .tuple(new long[1000])
                .op(')', 't', 'R', 's'),
            "size has 1000 items"));
  }

  static Stream<Refusal> frames() {
    return Stream.of(
        pickle("31 FRAME over the rest", v4().op(0x95).u64(1000), "a frame of 1000 bytes, only"),
        pickle("31 FRAME of 2^64-1", v4().op(0x95).u64(-1), "18446744073709551615 bytes"),
        pickle("31 FRAME too short", v4().op(0x95).u64(3).op('J', 1, 2, 3, 4), "crosses the end"),
        pickle("31 FRAME in a FRAME", v4().op(0x95).u64(11).op('N', 0x95).u64(1), "inside another"),
        new Refusal(
            "31 STOP before the end of its FRAME",
            () -> TorchBytes.zip(v4().op(0x95).u64(4).op('N', '.', 'N', 'N').toBytes()),
            "before the end of its frame"),
        pickle("31 MEMOIZE of nothing", v4().op(0x94), "from an empty stack"),
        pickle("31 BINUNICODE8 2^63", v4().op(0x8d).u64(1L << 63), "9223372036854775808 bytes"),
        pickle("31 BINBYTES8 2^63-1", v4().op(0x8e).u64(-1L >>> 1), "9223372036854775807 bytes"),
        new Refusal(
            "32 a second pickle after STOP",
            () ->
                TorchBytes.zip(
                    new LittleEndian()
                        .bytes(sound())
                        .bytes(start().global("os", "system").stop())
                        .toBytes()),
            "14 bytes after the end of its pickle"));
  }

  private static PickleBytes v4() {
    return new PickleBytes(4);
  }

  @Test
  @DisplayName("25 honest strides, offsets and shared storages are read right")
  void strides() throws IOException {
    byte[] pickle =
        start()
            .orderedDict()
            .op('(')
            .text("plain")
            .tensor(6, 0, dims(2, 3), dims(3, 1))
            .text("transposed")
            .tensor(6, 0, dims(3, 2), dims(1, 3))
            .text("column")
            .tensor(6, 1, dims(2), dims(3))
            .text("expanded")
            .tensor(6, 4, dims(2, 3), dims(0, 0))
            .text("channelsLast")
            .tensor(6, 0, dims(1, 3, 2, 1), dims(99, 1, 3, 77))
            .text("empty")
            .tensor(6, 6, dims(5, 0), dims(0, 1))
            .text("scalar")
            .tensor(6, 5, dims(), dims())
            .op('u', '}')
            .text("_metadata")
            .op('}', 's', 'b')
            .stop();
    try (var checkpoint = Refusal.image(TorchBytes.zip(pickle))) {
      assertEquals("PyTorch zip", checkpoint.format());
      assertEquals("plain", checkpoint.tensors().firstEntry().getKey());
      assertValues(checkpoint, "plain", 0, 1, 2, 3, 4, 5);
      assertValues(checkpoint, "transposed", 0, 3, 1, 4, 2, 5);
      assertValues(checkpoint, "column", 1, 4);
      assertValues(checkpoint, "expanded", 4, 4, 4, 4, 4, 4);
      assertValues(checkpoint, "channelsLast", 0, 3, 1, 4, 2, 5);
      assertValues(checkpoint, "empty");
      assertValues(checkpoint, "scalar", 5);
    }
  }

  @Test
  @DisplayName("26, 30 what shares its parts 2^60 times or holds itself is not walked into")
  void memoBomb() throws IOException {
    var pickle = start().op('}', 'q', 200).text("self").op('h', 200, 's').text("bomb").op('N');
    for (int i = 0; i < 60; i++) {
      pickle.op('q', i, 'h', i, 0x86);
    }
    pickle.op('s').text("list").op(']', 'q', 201, 'h', 201, 'a', 's');
    pickle.text("w").tensor(6, 0, dims(2, 3), dims(3, 1)).op('s');
    try (var checkpoint = Refusal.image(TorchBytes.zip(pickle.stop()))) {
      assertEquals(1, checkpoint.tensors().size());
      assertValues(checkpoint, "w", 0, 1, 2, 3, 4, 5);
    }
  }

  @Test
  @DisplayName("26 one list made into many dicts is paid for each time")
  void quadratic() {
    var pickle = start().op(']', 'q', 0, '(');
    for (int i = 0; i < 2000; i++) {
      pickle.number(i).op('N', 0x86);
    }
    pickle.op('e');
    for (int i = 0; i < 2000; i++) {
      pickle.global("collections", "OrderedDict").op('h', 0, 0x85, 'R', '0');
    }
    new Refusal("26", () -> TorchBytes.zip(pickle.stop()), "needs more than", "its description")
        .check();
  }

  @Test
  @DisplayName("32 a pickle in a storage is numbers")
  void pickleInStorage() throws IOException {
    byte[] evil = start().global("os", "system").text("true").op(0x85, 'R').stop();
    byte[] pickle =
        start()
            .op('}')
            .text("w")
            .tensor(start().storage("ByteStorage", "0", evil.length), 0, dims(evil.length), dims(1))
            .op('s')
            .stop();
    try (var checkpoint = Refusal.image(members(pickle, evil).toBytes())) {
      assertEquals(0x80, Refusal.number(checkpoint, "w", 0));
    }
  }

  @Test
  @DisplayName("19 an honest legacy file loads")
  void legacy() throws IOException {
    try (var checkpoint = Refusal.image(TorchBytes.legacy())) {
      assertEquals("PyTorch legacy", checkpoint.format());
      assertValues(checkpoint, "w", 0, 1, 2, 3, 4, 5);
    }
    assertEquals(24, SIX.length);
  }

  private static void assertValues(Checkpoint checkpoint, String key, float... expected)
      throws IOException {
    assertArrayEquals(expected, checkpoint.read(key, Tensor::toFloats), key);
  }
}
