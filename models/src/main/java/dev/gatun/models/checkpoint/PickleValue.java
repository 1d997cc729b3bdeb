package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What a pickle describes. None of it is an object of Python: a function is a name from the
 * allowlist, a storage is its key, a tensor is where it would lie.
 *
 * <p>Containers may hold themselves and share their parts, so nothing here walks into a value.
 */
sealed interface PickleValue {
  /** What kind of value it is, for messages. */
  default String kind() {
    return switch (this) {
      case None.NONE -> "None";
      case Bool _ -> "a bool";
      case Int _, BigInt _ -> "an int";
      case Real _ -> "a float";
      case Text _ -> "a string";
      case Raw _ -> "bytes";
      case Tuple _ -> "a tuple";
      case PyList _ -> "a list";
      case Dict _ -> "a dict";
      case Namespace _ -> "a Namespace";
      case Function _, StorageClass _ -> "a class or function";
      case Storage _ -> "a storage";
      case TensorView _ -> "a tensor";
      case Opaque _ -> "an object";
    };
  }

  enum None implements PickleValue {
    NONE
  }

  record Bool(boolean value) implements PickleValue {}

  record Int(long value) implements PickleValue {}

  /** A whole number of more than 64 bits. */
  record BigInt(BigInteger value) implements PickleValue {}

  record Real(double value) implements PickleValue {}

  record Text(String value) implements PickleValue {}

  /** Bytes, which no checkpoint needs: only that they were there. */
  enum Raw implements PickleValue {
    BYTES
  }

  record Tuple(List<PickleValue> items) implements PickleValue {}

  /** A class, so that two lists are never compared by what they hold. */
  final class PyList implements PickleValue {
    final List<PickleValue> items = new ArrayList<>();
  }

  /** A dict by its string keys; what lies under other keys (an optimiser's) is not kept. */
  final class Dict implements PickleValue {
    final SequencedMap<String, PickleValue> entries = new LinkedHashMap<>();

    /** Whether it is an OrderedDict, which may carry attributes. */
    final boolean ordered;

    Dict(boolean ordered) {
      this.ordered = ordered;
    }
  }

  /** An argparse.Namespace. */
  final class Namespace implements PickleValue {
    final SequencedMap<String, PickleValue> entries = new LinkedHashMap<>();
  }

  /** The functions and classes that the machine knows how to describe the result of. */
  enum Function implements PickleValue {
    ORDERED_DICT,
    NAMESPACE,
    REBUILD_TENSOR,
    REBUILD_TENSOR_V2,
    REBUILD_PARAMETER,
    SIZE,
    DEVICE,
    /** Whose results say nothing of tensors. */
    INERT
  }

  /** A class such as torch.FloatStorage. */
  record StorageClass(DType dtype) implements PickleValue {}

  /**
   * The numbers that tensors are views of.
   *
   * @param key which of the file's storages
   * @param elements how many it has, according to the pickle
   */
  record Storage(String key, DType dtype, long elements) implements PickleValue {
    /** Its size, which was proven to fit. */
    long bytes() {
      return elements * dtype.bytes();
    }
  }

  /** A tensor as the pickle says it is, not yet proven to lie inside its storage. */
  record TensorView(Storage storage, long offset, long[] size, long[] stride)
      implements PickleValue {}

  /** Something that is of no interest, such as a torch.device: no more than its name. */
  record Opaque(String name) implements PickleValue {}
}
