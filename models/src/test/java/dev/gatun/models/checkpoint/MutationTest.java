package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Tensor;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Small sound files, damaged in every way that is simple to list: nothing but a {@link
 * CheckpointException} may come out of them, or a checkpoint whose tensors can be read.
 */
class MutationTest {
  private static final int[] LENGTHS = {1, 0x7F, 0xFF, 0x7FFF_FFFF, -1, 0x8000_0000};

  static Stream<Arguments> files() {
    var mixed =
        SafetensorsBytes.header(
            "\"__metadata__\":{\"a\":\"b\"}",
            SafetensorsBytes.tensor("x", "F16", "[2,1,3]", "[0,12]"),
            SafetensorsBytes.tensor("y", "U8", "[]", "[12,13]"));
    return Stream.of(
        Arguments.of("safetensors", SafetensorsBytes.file(mixed, 13)),
        Arguments.of("PyTorch zip", TorchBytes.zip()),
        Arguments.of(
            "PyTorch zip with zip64 and descriptors",
            TorchBytes.members(PickleBytes.sound(), TorchBytes.SIX)
                .change(
                    m -> {
                      m.zip64 = true;
                      m.descriptor = 24;
                    })
                .zip64End(true)
                .toBytes()),
        Arguments.of("PyTorch legacy", TorchBytes.legacy()));
  }

  /** Whether it was refused. */
  private static boolean refused(byte[] file, String what) {
    try (var checkpoint = Refusal.image(file)) {
      for (var info : checkpoint.tensors().values()) {
        long size = checkpoint.read(info.key(), MutationTest::sum);
        assertEquals(info.shape().size(), size, what);
      }
      return false;
    } catch (CheckpointException e) {
      Refusal.sentence(e, Refusal.NAME);
      return true;
    } catch (RuntimeException | Error e) {
      throw new AssertionError(what + " gave " + e, e);
    }
  }

  private static long sum(Tensor tensor) {
    for (long i = 0; i < Math.min(tensor.shape().size(), 100); i++) {
      tensor.getDouble(i);
    }
    return tensor.shape().size();
  }

  @ParameterizedTest(name = "every bit flipped: {0}")
  @MethodSource("files")
  void bitFlips(String format, byte[] file) {
    for (int i = 0; i < 8 * file.length; i++) {
      byte[] damaged = file.clone();
      damaged[i / 8] ^= (byte) (1 << i % 8);
      refused(damaged, format + " with bit " + i + " flipped");
    }
  }

  @ParameterizedTest(name = "cut off at every byte: {0}")
  @MethodSource("files")
  void truncations(String format, byte[] file) {
    for (int length = 0; length < file.length; length++) {
      var what = format + " cut off at " + length;
      assertTrue(refused(Arrays.copyOf(file, length), what), what);
    }
  }

  @ParameterizedTest(name = "every length edited: {0}")
  @MethodSource("files")
  void lengths(String format, byte[] file) {
    for (int at = 0; at + 4 <= file.length; at++) {
      for (int length : LENGTHS) {
        byte[] damaged = file.clone();
        for (int i = 0; i < 4; i++) {
          damaged[at + i] = (byte) (length >>> 8 * i);
        }
        refused(damaged, format + " with " + length + " at " + at);
      }
    }
  }

  @ParameterizedTest(name = "bytes overwritten, removed and inserted: {0}")
  @MethodSource("files")
  void edits(String format, byte[] file) {
    long seed = 20260101;
    var random = new Random(seed);
    for (int run = 0; run < 3000; run++) {
      var damaged = new LittleEndian();
      int from = random.nextInt(file.length);
      int to = Math.min(file.length, from + random.nextInt(9));
      byte[] inserted = new byte[random.nextInt(9)];
      random.nextBytes(inserted);
      damaged.bytes(Arrays.copyOf(file, from)).bytes(inserted);
      damaged.bytes(Arrays.copyOfRange(file, to, file.length));
      refused(damaged.toBytes(), format + " edited, seed " + seed + ", run " + run);
    }
  }
}
