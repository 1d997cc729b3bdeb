package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * The tensors of a checkpoint by name.
 *
 * <p>Opening reads and proves the description only, so a file of any size opens at once; {@link
 * #read} reads the numbers. A checkpoint may be read by several threads; whoever opens it closes
 * it.
 */
public sealed interface Checkpoint extends AutoCloseable
    permits MappedCheckpoint, ShardedCheckpoint {
  /**
   * Opens a checkpoint. What it is, its first bytes decide, never its extension:
   *
   * <ul>
   *   <li>a safetensors file;
   *   <li>a zip or legacy file of {@code torch.save}. Of a wrapper, {@code ema} is taken, else
   *       {@code state_dict}, {@code model} or {@code model_state_dict}; a {@code module.} that
   *       every key begins with is left out;
   *   <li>a directory with {@code model.safetensors.index.json} or {@code
   *       diffusion_pytorch_model.safetensors.index.json}, or such an index itself: its shards as
   *       one checkpoint;
   *   <li>a directory with {@code nnet_ema.pth}, as U-ViT's trainings save, or with {@code
   *       model.safetensors}, {@code diffusion_pytorch_model.safetensors} or {@code
   *       pytorch_model.bin}, as Hugging Face does: the first of these.
   * </ul>
   *
   * @throws CheckpointException if there is no such file, or if it is not sound
   */
  static Checkpoint open(Path file) throws CheckpointException {
    if (Files.isDirectory(file)) {
      return open(CheckpointFolder.find(file));
    }
    var mapped = MappedFile.open(file);
    try {
      if (ShardIndex.is(mapped.source())) {
        mapped.close();
        return ShardedCheckpoint.open(file);
      }
      return MappedCheckpoint.open(mapped);
    } catch (InternalError e) {
      mapped.close();
      throw mapped.fault(e);
    } catch (CheckpointException | RuntimeException | Error e) {
      mapped.close();
      throw e;
    }
  }

  /**
   * Opens the image of a file that is already in memory, such as a bundled model.
   *
   * @param name for messages, such as the file name
   * @param bytes off heap, alive for as long as the checkpoint is read; closing the checkpoint
   *     leaves them alone
   * @throws CheckpointException if the image is not sound
   */
  static Checkpoint of(String name, MemorySegment bytes) throws CheckpointException {
    if (!bytes.isNative()) {
      throw new IllegalArgumentException(
          name + ": the image of a checkpoint must be in off-heap memory");
    }
    return MappedCheckpoint.open(new MappedFile(new Source(name, bytes), null));
  }

  /** File name, for messages. */
  String name();

  /** What kind of file it is, for people: "safetensors", "PyTorch zip", "PyTorch legacy". */
  String format();

  /**
   * The strings that the file carries beside the tensors: {@code __metadata__} of safetensors; of a
   * PyTorch file the numbers and strings of its argparse {@code args}, as {@code args.NAME}.
   */
  SequencedMap<String, String> metadata();

  /** What there is to read, in file order. */
  SequencedMap<String, TensorInfo> tensors();

  /**
   * Reads a tensor.
   *
   * @param use gets the tensor in host memory, as the file has it (NCHW, the file's dtype). Where
   *     its elements lie back to back, it is a view of the mapped file, else a copy; either is only
   *     good until {@code use} returns
   * @return what {@code use} returns
   * @throws CheckpointException if there is no such tensor, or if the file was cut off after it was
   *     opened
   * @throws IllegalStateException if the checkpoint is closed
   */
  <R> R read(String key, Function<Tensor, R> use) throws CheckpointException;

  /** Unmaps the file; closing twice does nothing. */
  @Override
  void close();
}
