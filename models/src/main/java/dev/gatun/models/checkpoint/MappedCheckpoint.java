package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Tensor;
import java.util.SequencedMap;
import java.util.function.Function;

/** A checkpoint that is one file. */
final class MappedCheckpoint implements Checkpoint {
  private static final int SHOWN_BYTES = 8;

  private final MappedFile file;
  private final Contents contents;
  private final SequencedMap<String, TensorInfo> tensors;
  private volatile boolean closed;

  MappedCheckpoint(MappedFile file, Contents contents) {
    this.file = file;
    this.contents = contents;
    this.tensors = contents.infos();
  }

  /** Reads the description of a file of whatever format its first bytes show. */
  static MappedCheckpoint open(MappedFile file) throws CheckpointException {
    return new MappedCheckpoint(file, contents(file.source()));
  }

  private static Contents contents(Source source) throws CheckpointException {
    if (Safetensors.is(source)) {
      return Safetensors.read(source);
    }
    if (TorchZip.is(source)) {
      return TorchZip.read(source);
    }
    if (TorchLegacy.is(source)) {
      return TorchLegacy.read(source);
    }
    throw unknown(source);
  }

  private static CheckpointException unknown(Source source) throws CheckpointException {
    if (source.has(257, 'u', 's', 't', 'a', 'r')) {
      return source.error(
          "is a tar archive, as torch.save wrote before 2017; load it in torch and save it again as"
              + " safetensors");
    }
    if (source.has(0, 'v', 'e', 'r', 's', 'i', 'o', 'n', ' ', 'h', 't', 't', 'p')) {
      return source.error(
          "is a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'");
    }
    if (source.size() < 8) {
      return source.error(
          "is only "
              + source.size()
              + " bytes long, shorter than the header of any checkpoint; download it again");
    }
    var first = new StringBuilder();
    for (int i = 0; i < Math.min(SHOWN_BYTES, source.size()); i++) {
      first.append("%02x ".formatted(source.u8(i)));
    }
    return source.error(
        "is neither safetensors (whose header begins with '{' at byte 8) nor a file of torch.save;"
            + " it begins with "
            + first.toString().strip()
            + (source.size() > 8 ? ", and byte 8 is %02x".formatted(source.u8(8)) : ""));
  }

  @Override
  public String name() {
    return file.source().name();
  }

  @Override
  public String format() {
    return contents.format();
  }

  @Override
  public SequencedMap<String, String> metadata() {
    return contents.metadata();
  }

  @Override
  public SequencedMap<String, TensorInfo> tensors() {
    return tensors;
  }

  @Override
  public <R> R read(String key, Function<Tensor, R> use) throws CheckpointException {
    if (closed) {
      throw new IllegalStateException("checkpoint " + name() + " is closed");
    }
    var tensor = contents.tensors().get(key);
    if (tensor == null) {
      throw missing(this, key);
    }
    try {
      return tensor.read(file.source().bytes(), use);
    } catch (InternalError e) {
      throw file.fault(e);
    }
  }

  static CheckpointException missing(Checkpoint checkpoint, String key) {
    var tensors = checkpoint.tensors();
    return new CheckpointException(
        checkpoint.name(),
        "has no tensor "
            + CheckpointException.show(key)
            + (tensors.isEmpty()
                ? "; it has none at all"
                : " among its "
                    + tensors.size()
                    + ", the first of which is "
                    + tensors.firstEntry().getValue()));
  }

  @Override
  public void close() {
    closed = true;
    file.close();
  }

  @Override
  public String toString() {
    return name() + " (" + format() + ", " + tensors.size() + " tensors)";
  }
}
