package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * Tells checkpoints apart that have the same name, such as the many {@code
 * diffusion_pytorch_model.safetensors}, without reading gigabytes: from the names, types and shapes
 * of the tensors and the two ends of each. The order and the container of the tensors do not
 * matter, so the fingerprint of a file stays that of its shards.
 */
public final class Fingerprint {
  /** How much of each end of a tensor counts: two pages of each tensor are read. */
  private static final int END = 4096;

  private Fingerprint() {}

  /**
   * Two checksums, for example {@code 1a2b3c4d-5e6f7a8b}: of the tensors, and of what they are
   * taken for.
   *
   * @param description what else decides what the network computes, such as its configuration
   * @throws CheckpointException if the file was cut off after it was opened
   */
  public static String of(Checkpoint checkpoint, String description) throws CheckpointException {
    var tensors = new CRC32();
    for (var info : new TreeMap<>(checkpoint.tensors()).values()) {
      tensors.update(utf8(info.key() + " " + info.dtype() + " " + info.shape() + "\n"));
      checkpoint.read(info.key(), tensor -> add(tensor, tensors));
    }
    var other = new CRC32();
    other.update(utf8(description));
    return "%08x-%08x".formatted(tensors.getValue(), other.getValue());
  }

  private static Void add(Tensor tensor, CRC32 sum) {
    var bytes = tensor.segment();
    long size = bytes.byteSize();
    add(bytes.asSlice(0, Math.min(size, END)), sum);
    if (size > END) {
      long end = Math.max(END, size - END);
      add(bytes.asSlice(end, size - end), sum);
    }
    return null;
  }

  private static void add(MemorySegment bytes, CRC32 sum) {
    sum.update(bytes.asByteBuffer());
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
