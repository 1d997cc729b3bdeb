package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
  @TempDir Path dir;

  private static byte[] bytes(Tensor tensor) {
    return tensor.segment().toArray(ValueLayout.JAVA_BYTE);
  }

  @Test
  void everyTypeComesBackWithTheSameBytes() throws IOException {
    long seed = 11;
    var random = new Random(seed);
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var dtype : DType.values()) {
      for (var shape : List.of(Shape.of(), Shape.of(0, 3), Shape.of(3, 5, 7))) {
        var tensor = Tensor.allocate(dtype, shape);
        byte[] values = new byte[(int) tensor.segment().byteSize()];
        random.nextBytes(values);
        tensor.segment().copyFrom(MemorySegment.ofArray(values));
        tensors.put("layer \"é\\\n" + dtype + "." + shape, tensor);
      }
    }
    // More than one chunk.
    tensors.put("large", Tensor.allocate(DType.F32, Shape.of(300_001)));
    tensors.get("large").setFloat(300_000, 7);
    var file = dir.resolve("out.safetensors");
    var metadata = Map.of("config", "{\"model\": \"dit\\n\"}\u0001");
    SafetensorsWriter.write(file, metadata, tensors);
    try (var checkpoint = Checkpoint.open(file)) {
      assertEquals(metadata, checkpoint.metadata());
      assertEquals(tensors.keySet(), checkpoint.tensors().keySet());
      for (var entry : tensors.entrySet()) {
        var key = entry.getKey();
        assertEquals(entry.getValue().shape(), checkpoint.tensors().get(key).shape());
        assertArrayEquals(
            bytes(entry.getValue()),
            checkpoint.read(key, SafetensorsWriterTest::bytes),
            key + ", seed " + seed);
      }
    }
    tensors.values().forEach(Tensor::close);
    assertAligned(file);
  }

  private static void assertAligned(Path file) throws IOException {
    var header = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(0, header.getLong() % 8);
    try (var checkpoint = Checkpoint.open(file)) {
      for (var info : checkpoint.tensors().values()) {
        long address = checkpoint.read(info.key(), tensor -> tensor.segment().address());
        assertEquals(0, address % info.dtype().bytes(), info.toString());
      }
    }
  }

  @Test
  void columnViewsAreWrittenAsTheirElements() throws IOException {
    var file = dir.resolve("view.safetensors");
    try (var whole = Tensor.of(Shape.of(2, 3), 0, 1, 2, 3, 4, 5f)) {
      SafetensorsWriter.write(file, Map.of(), Map.of("v", whole.columns(1, 3)));
    }
    try (var checkpoint = Checkpoint.open(file)) {
      assertEquals(Map.of(), checkpoint.metadata());
      assertArrayEquals(new float[] {1, 2, 4, 5}, checkpoint.read("v", Tensor::toFloats));
    }
  }

  @Test
  void anUnfinishedFileLeavesTheOldOneAlone() throws IOException {
    var file = Files.writeString(dir.resolve("old.safetensors"), "old");
    var infos =
        List.of(
            new TensorInfo("a", DType.F32, Shape.of(2)),
            new TensorInfo("b", DType.F32, Shape.of(2)));
    try (var writer = SafetensorsWriter.create(file, Map.of(), infos);
        var two = Tensor.of(Shape.of(2), 1, 2f);
        var three = Tensor.of(Shape.of(3), 1, 2, 3f)) {
      writer.write("b", two);
      assertSays("tensor b was written before", () -> writer.write("b", two));
      assertSays("tensor c was not declared", () -> writer.write("c", two));
      assertSays("a F32 [2] was declared, not F32 [3]", () -> writer.write("a", three));
      var e = assertThrows(IllegalStateException.class, writer::finish);
      assertTrue(e.getMessage().contains("1 declared tensors were not written"), e.getMessage());
    }
    assertEquals("old", Files.readString(file));
    try (var files = Files.list(dir)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void badKeysAreRefusedBeforeAnythingIsWritten() throws IOException {
    var good = new TensorInfo("a", DType.F32, Shape.of(2));
    var file = dir.resolve("none.safetensors");
    assertSays("a is declared twice", () -> create(file, List.of(good, good)));
    for (var key : List.of("", "__metadata__", "\ud800", "k".repeat(1025))) {
      var bad = new TensorInfo(key, DType.F32, Shape.of(2));
      assertSays("cannot be called", () -> create(file, List.of(good, bad)));
    }
    try (var files = Files.list(dir)) {
      assertEquals(0, files.count());
    }
  }

  private static void create(Path file, List<TensorInfo> infos) throws IOException {
    SafetensorsWriter.create(file, Map.of(), infos).close();
  }

  private static void assertSays(String fact, Executable code) {
    var e = assertThrows(IllegalArgumentException.class, code);
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  /** The tiny DiT of the golden data: half-precision weights with the authors' names. */
  @Test
  void aPublishedLayoutInHalfPrecisionLoads() throws IOException {
    var name = "/goldens/dit-tiny-p4.model.safetensors";
    byte[] image = TorchCheckpointTest.resource(name);
    var copy = dir.resolve("copy.safetensors");
    try (var checkpoint = Checkpoint.of(name, Refusal.offHeap(image))) {
      assertTrue(checkpoint.metadata().get("config").contains("\"hidden_size\": 72"));
      var qkv = checkpoint.tensors().get("blocks.0.attn.qkv.weight");
      assertEquals(new TensorInfo("blocks.0.attn.qkv.weight", DType.F16, Shape.of(216, 72)), qkv);
      float[] values = checkpoint.read(qkv.key(), Tensor::toFloats);
      // Begins at byte 74016 of the data.
      var header = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
      int at = (int) (8 + header.getLong(0) + 74016);
      assertEquals(Float.float16ToFloat(header.getShort(at)), values[0]);
      assertEquals(
          Float.float16ToFloat(header.getShort(at + 2 * (values.length - 1))),
          values[values.length - 1]);
      try (var writer =
          SafetensorsWriter.create(
              copy, checkpoint.metadata(), new ArrayList<>(checkpoint.tensors().values()))) {
        for (var key : checkpoint.tensors().sequencedKeySet().reversed()) {
          var failure =
              checkpoint.read(
                  key,
                  tensor -> {
                    try {
                      writer.write(key, tensor);
                      return null;
                    } catch (IOException e) {
                      return e;
                    }
                  });
          assertEquals(null, failure);
        }
        writer.finish();
      }
      try (var again = Checkpoint.open(copy)) {
        assertEquals(checkpoint.tensors(), again.tensors());
        for (var key : checkpoint.tensors().keySet()) {
          assertArrayEquals(
              checkpoint.read(key, SafetensorsWriterTest::bytes),
              again.read(key, SafetensorsWriterTest::bytes),
              key);
        }
      }
    }
  }
}
