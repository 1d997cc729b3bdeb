package dev.gatun.models.checkpoint;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * What a file holds, as one of the formats says it.
 *
 * @param format for people: "safetensors", "PyTorch zip", "PyTorch legacy"
 * @param metadata the strings that the file carries
 * @param tensors by key, in file order
 */
record Contents(
    String format,
    SequencedMap<String, String> metadata,
    SequencedMap<String, StoredTensor> tensors) {
  Contents {
    metadata = Collections.unmodifiableSequencedMap(metadata);
    tensors = Collections.unmodifiableSequencedMap(tensors);
  }

  SequencedMap<String, TensorInfo> infos() {
    var infos = new LinkedHashMap<String, TensorInfo>();
    tensors.forEach((key, tensor) -> infos.put(key, tensor.info()));
    return Collections.unmodifiableSequencedMap(infos);
  }
}
