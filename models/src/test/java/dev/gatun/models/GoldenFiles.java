package dev.gatun.models;

import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;

/** Networks and traces that the authors' code computed, among the test resources. */
public final class GoldenFiles {
  private GoldenFiles() {}

  public static Checkpoint open(String name) throws IOException {
    return image(name, bytes("/goldens/" + name));
  }

  /** A checkpoint in memory. */
  public static Checkpoint image(String name, byte[] bytes) throws CheckpointException {
    var memory = Arena.ofAuto().allocate(bytes.length, 64);
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, memory, 0, bytes.length);
    return Checkpoint.of(name, memory);
  }

  public static byte[] bytes(String resource) throws IOException {
    try (var in = GoldenFiles.class.getResourceAsStream(resource)) {
      return in.readAllBytes();
    }
  }

  /** All tensors, in memory that is freed when they are forgotten. */
  public static Map<String, Tensor> tensors(Checkpoint checkpoint) throws CheckpointException {
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var key : checkpoint.tensors().keySet()) {
      tensors.put(key, checkpoint.read(key, GoldenFiles::copy));
    }
    return tensors;
  }

  private static Tensor copy(Tensor tensor) {
    var memory = Arena.ofAuto().allocate(tensor.segment().byteSize(), Tensor.ALIGNMENT);
    memory.copyFrom(tensor.segment());
    return Tensor.wrap(tensor.device(), tensor.dtype(), tensor.shape(), memory);
  }

  /** {@code max|actual - expected| / max|expected|}. */
  public static double error(Tensor expected, Tensor actual) {
    if (!expected.shape().equals(actual.shape()) || actual.dtype() != DType.F32) {
      throw new AssertionError("found " + actual + ", expected " + expected);
    }
    double difference = 0;
    double largest = 0;
    for (long i = 0; i < expected.shape().size(); i++) {
      double distance = Math.abs(expected.getDouble(i) - actual.getDouble(i));
      // a comparison would let NaN pass
      difference = distance > difference || Double.isNaN(distance) ? distance : difference;
      largest = Math.max(largest, Math.abs(expected.getDouble(i)));
    }
    return difference / largest;
  }
}
