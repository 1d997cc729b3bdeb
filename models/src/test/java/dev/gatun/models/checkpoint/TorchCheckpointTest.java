package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of CPython's own pickler, as {@code torch_save.py} beside them wrote them. */
class TorchCheckpointTest {
  static byte[] resource(String name) throws IOException {
    try (var in = TorchCheckpointTest.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "train.pt, PyTorch zip",
    "train-protocol4.pt, PyTorch zip",
    "train-legacy.pt, PyTorch legacy"
  })
  void trainingCheckpoint(String file, String format) throws IOException {
    try (var checkpoint = Checkpoint.of(file, Refusal.offHeap(resource(file)))) {
      assertEquals(format, checkpoint.format());
      assertEquals(
          List.of("w", "w_t", "half", "ids", "scalar"),
          List.copyOf(checkpoint.tensors().sequencedKeySet()));
      assertEquals(
          new TensorInfo("w_t", DType.F32, Shape.of(4, 3)), checkpoint.tensors().get("w_t"));
      // The averaged weights are twice the others.
      assertArrayEquals(
          new float[] {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22},
          checkpoint.read("w", Tensor::toFloats));
      assertArrayEquals(
          new float[] {0, 8, 16, 2, 10, 18, 4, 12, 20, 6, 14, 22},
          checkpoint.read("w_t", Tensor::toFloats));
      assertArrayEquals(new float[] {0.5f, -2}, checkpoint.read("half", Tensor::toFloats));
      assertEquals(-8, Refusal.number(checkpoint, "ids", 0));
      assertEquals(9, Refusal.number(checkpoint, "ids", 1));
      assertEquals(2.5f, Refusal.number(checkpoint, "scalar", 0));
      assertEquals(
          "{args.model=DiT-XL/2, args.image_size=256, args.lr=1.0E-4, args.ema=true}",
          checkpoint.metadata().toString());
    }
  }

  @Test
  void contiguousTensorsAreViewsOfTheFileAndOthersAreCopiesThatAreClosed() throws IOException {
    var image = Refusal.offHeap(resource("train.pt"));
    try (var checkpoint = Checkpoint.of("train.pt", image)) {
      assertFalse(checkpoint.read("w", t -> overlap(image, t)).isEmpty());
      assertEquals("", checkpoint.read("w_t", t -> overlap(image, t)));
      var kept = new AtomicReference<Tensor>();
      checkpoint.read(
          "w_t",
          tensor -> {
            kept.set(tensor);
            return null;
          });
      assertFalse(kept.get().isAlive());
    }
  }

  private static String overlap(MemorySegment image, Tensor tensor) {
    return image.asOverlappingSlice(tensor.segment()).map(MemorySegment::toString).orElse("");
  }

  /** What PyTorch Lightning keeps beside the weights, as in the files of Stable Diffusion. */
  @Test
  void callbacksOfLightning() throws IOException {
    byte[] code =
        new PickleBytes()
            .op('}', '(')
            .text("callbacks")
            .op('}')
            .global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
            .op('}', '(')
            .text("best_model_score")
            .global("numpy.core.multiarray", "scalar")
            .global("numpy", "dtype")
            .text("f8")
            .op(0x89, 0x88, 0x87, 'R', '(')
            .number(3)
            .text("<")
            .op('N', 'N', 'N', 't', 'b')
            .global("_codecs", "encode")
            .text("12345678")
            .text("latin1")
            .op(0x86, 'R', 0x86, 'R')
            .text("monitor")
            .text("val/loss")
            .op('u', 's')
            .text("state_dict")
            .orderedDict()
            .text("w")
            .tensor(6, 0, PickleBytes.dims(2, 3), PickleBytes.dims(3, 1))
            .op('s', 'u')
            .stop();
    byte[] file =
        new ZipBytes()
            .add("archive/data.pkl", code)
            .add("archive/data/0", new LittleEndian().f32(0, 1, 2, 3, 4, 5).toBytes())
            .add("archive/version", TorchBytes.ascii("3\n"))
            .toBytes();
    try (var checkpoint = Checkpoint.of("sd.ckpt", Refusal.offHeap(file))) {
      assertEquals(List.of("w"), List.copyOf(checkpoint.tensors().keySet()));
      assertEquals(5, Refusal.number(checkpoint, "w", 5));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"state_dict", "model", "model_state_dict", "ema"})
  void wrappers(String wrapper) throws IOException {
    byte[] pickle =
        new PickleBytes()
            .op('}')
            .text("epoch")
            .number(7)
            .op('s')
            .text(wrapper)
            .op('}')
            .text("w")
            .tensor(6, 0, PickleBytes.dims(6), PickleBytes.dims(1))
            .op('s', 's')
            .stop();
    try (var checkpoint = Refusal.image(TorchBytes.zip(pickle))) {
      assertEquals("[w F32 [6]]", checkpoint.tensors().values().toString());
    }
  }

  @Test
  void missingTensorsAndClosedCheckpointsAreNamed() throws IOException {
    var checkpoint = Refusal.image(TorchBytes.zip());
    var e = assertThrows(CheckpointException.class, () -> checkpoint.read("v", t -> t));
    assertEquals(
        "bad.ckpt: has no tensor v among its 1, the first of which is w F32 [2, 3]",
        e.getMessage());
    checkpoint.close();
    checkpoint.close();
    var closed = assertThrows(IllegalStateException.class, () -> checkpoint.read("w", t -> t));
    assertEquals("checkpoint bad.ckpt is closed", closed.getMessage());
  }
}
