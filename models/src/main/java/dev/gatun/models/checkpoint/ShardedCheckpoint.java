package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Tensor;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.function.Function;

/** A checkpoint in several safetensors files, held together by an index. */
final class ShardedCheckpoint implements Checkpoint {
  /** More files than any published checkpoint has, and fewer than a process may have mapped. */
  private static final int MAX_SHARDS = 1000;

  private final String name;
  private final SequencedMap<String, MappedCheckpoint> shards = new LinkedHashMap<>();

  /** Where each tensor is. */
  private final SequencedMap<String, MappedCheckpoint> owners = new LinkedHashMap<>();

  private final SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
  private final SequencedMap<String, String> metadata = new LinkedHashMap<>();

  private ShardedCheckpoint(String name) {
    this.name = name;
  }

  static ShardedCheckpoint open(Path index) throws CheckpointException {
    var checkpoint = new ShardedCheckpoint(MappedFile.name(index));
    try (var mapped = MappedFile.open(index)) {
      try {
        checkpoint.openShards(index, mapped.source());
        return checkpoint;
      } catch (InternalError e) {
        checkpoint.close();
        throw mapped.fault(e);
      } catch (CheckpointException | RuntimeException | Error e) {
        checkpoint.close();
        throw e;
      }
    }
  }

  private void openShards(Path index, Source source) throws CheckpointException {
    var weightMap = ShardIndex.weightMap(source);
    for (var shard : weightMap.sequencedValues()) {
      if (!shards.containsKey(shard)) {
        if (shards.size() == MAX_SHARDS) {
          throw source.error("lists more than " + MAX_SHARDS + " shards, which cannot be opened");
        }
        shards.put(shard, openShard(ShardIndex.resolve(index, shard), source.budget()));
      }
    }
    for (var shard : shards.values()) {
      for (var info : shard.tensors().values()) {
        var owner = owners.putIfAbsent(info.key(), shard);
        if (owner != null) {
          throw source.error(
              Source.about(info.key())
                  + "is both in "
                  + owner.name()
                  + " and in "
                  + shard.name()
                  + "; download the shards again");
        }
        if (!shard.name().equals(weightMap.get(info.key()))) {
          throw source.error(
              Source.about(info.key())
                  + "is in "
                  + shard.name()
                  + ", which the index does not say; download the shards again");
        }
        tensors.put(info.key(), info);
      }
      shard.metadata().forEach(metadata::putIfAbsent);
    }
    for (var entry : weightMap.entrySet()) {
      if (!owners.containsKey(entry.getKey())) {
        throw source.error(
            Source.about(entry.getKey())
                + "is not in "
                + CheckpointException.show(entry.getValue())
                + ", as the index says; download the shards again");
      }
    }
  }

  private static MappedCheckpoint openShard(Path file, ByteBudget budget)
      throws CheckpointException {
    var mapped = MappedFile.open(file, budget);
    try {
      if (!Safetensors.is(mapped.source())) {
        throw mapped.source().error("is listed as a shard but is not a safetensors file");
      }
      return new MappedCheckpoint(mapped, Safetensors.read(mapped.source()));
    } catch (InternalError e) {
      mapped.close();
      throw mapped.fault(e);
    } catch (CheckpointException | RuntimeException | Error e) {
      mapped.close();
      throw e;
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String format() {
    return Safetensors.FORMAT + ", " + shards.size() + " shards";
  }

  @Override
  public SequencedMap<String, String> metadata() {
    return Collections.unmodifiableSequencedMap(metadata);
  }

  @Override
  public SequencedMap<String, TensorInfo> tensors() {
    return Collections.unmodifiableSequencedMap(tensors);
  }

  @Override
  public <R> R read(String key, Function<Tensor, R> use) throws CheckpointException {
    var shard = owners.get(key);
    if (shard == null) {
      throw MappedCheckpoint.missing(this, key);
    }
    return shard.read(key, use);
  }

  @Override
  public void close() {
    shards.values().forEach(MappedCheckpoint::close);
  }

  @Override
  public String toString() {
    return name + " (" + format() + ", " + tensors.size() + " tensors)";
  }
}
