package dev.gatun.models.checkpoint;

import dev.gatun.models.checkpoint.PickleValue.BigInt;
import dev.gatun.models.checkpoint.PickleValue.Bool;
import dev.gatun.models.checkpoint.PickleValue.Dict;
import dev.gatun.models.checkpoint.PickleValue.Function;
import dev.gatun.models.checkpoint.PickleValue.Int;
import dev.gatun.models.checkpoint.PickleValue.Namespace;
import dev.gatun.models.checkpoint.PickleValue.None;
import dev.gatun.models.checkpoint.PickleValue.Opaque;
import dev.gatun.models.checkpoint.PickleValue.PyList;
import dev.gatun.models.checkpoint.PickleValue.Raw;
import dev.gatun.models.checkpoint.PickleValue.Real;
import dev.gatun.models.checkpoint.PickleValue.Storage;
import dev.gatun.models.checkpoint.PickleValue.StorageClass;
import dev.gatun.models.checkpoint.PickleValue.TensorView;
import dev.gatun.models.checkpoint.PickleValue.Text;
import dev.gatun.models.checkpoint.PickleValue.Tuple;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** What the few functions that a checkpoint may call would make, as descriptions. */
final class PickleBuilder {
  private final Pickle pickle;
  private final SequencedMap<String, Storage> storages = new LinkedHashMap<>();

  PickleBuilder(Pickle pickle) {
    this.pickle = pickle;
  }

  SequencedMap<String, Storage> storages() {
    return storages;
  }

  /** What a name of Python stands for, if it is on the allowlist. */
  PickleValue global(String module, String name) throws CheckpointException {
    var value = PickleGlobals.find(module, name);
    if (value == null) {
      throw pickle.refusal(
          "its pickle asks for "
              + CheckpointException.show(module + "." + name)
              + ", which tensors do not need; nothing was run; save the state_dict alone, or get"
              + " the file as safetensors");
    }
    return value;
  }

  /** Sets an item of a dict; only strings are of interest as keys. */
  void set(Dict dict, PickleValue key, PickleValue value) throws CheckpointException {
    switch (key) {
      case Text(var name) -> {
        if (dict.entries.put(name, value) != null) {
          throw pickle.error("has the key " + CheckpointException.show(name) + " twice in a dict");
        }
      }
      case Int _, BigInt _, Bool _, Real _, None _, Raw _, Tuple _, Opaque _ -> {}
      default -> throw pickle.error("uses " + key.kind() + " as a key");
    }
  }

  /** What a call would make. */
  PickleValue call(PickleValue function, List<PickleValue> arguments) throws CheckpointException {
    return switch (function) {
      case Function.ORDERED_DICT -> orderedDict(arguments);
      case Function.NAMESPACE -> {
        arity("argparse.Namespace", arguments, 0, 0);
        yield new Namespace();
      }
      case Function.REBUILD_TENSOR -> {
        arity("_rebuild_tensor", arguments, 4, 4);
        yield tensor(arguments);
      }
      case Function.REBUILD_TENSOR_V2 -> {
        arity("_rebuild_tensor_v2", arguments, 6, 7);
        // The seventh marks tensors that are conjugated or negated when they are read.
        if (arguments.size() == 7
            && arguments.get(6) instanceof Dict marks
            && !marks.entries.isEmpty()) {
          throw pickle.error("has a tensor with the mark " + shown(marks) + ", which is not known");
        }
        yield tensor(arguments);
      }
      case Function.REBUILD_PARAMETER -> {
        arity("_rebuild_parameter", arguments, 3, 3);
        if (!(arguments.getFirst() instanceof TensorView tensor)) {
          throw pickle.error("makes a parameter of " + arguments.getFirst().kind());
        }
        yield tensor;
      }
      case Function.SIZE -> {
        arity("torch.Size", arguments, 1, 1);
        yield new Tuple(items("torch.Size", arguments.getFirst()));
      }
      case Function.DEVICE -> new Opaque("torch.device");
      case Function.INERT -> new Opaque("a result");
      default -> throw pickle.error("calls " + function.kind() + ", which cannot be called");
    };
  }

  /**
   * Sets the attributes of an object; those of an OrderedDict ({@code _metadata}) and of what is of
   * no interest say nothing.
   */
  void build(PickleValue object, PickleValue state) throws CheckpointException {
    if (object instanceof Namespace namespace && state instanceof Dict attributes) {
      pickle.pay(attributes.entries.size());
      namespace.entries.putAll(attributes.entries);
    } else if (!(object instanceof Dict dict && dict.ordered && state instanceof Dict)
        && !(object instanceof Opaque)) {
      throw pickle.error("sets attributes of " + object.kind() + " from " + state.kind());
    }
  }

  /**
   * A storage, from its persistent id {@code ('storage', class, key, location, elements)}; the
   * legacy format has a sixth item, None but for views of before torch 0.4.
   */
  Storage storage(PickleValue id) throws CheckpointException {
    if (!(id instanceof Tuple(var items))
        || items.size() < 5
        || items.size() > 6
        || !(items.get(0) instanceof Text(var tag))
        || !tag.equals("storage")
        || !(items.get(1) instanceof StorageClass(var dtype))
        || !(items.get(2) instanceof Text(var key))
        || !(items.get(4) instanceof Int(var elements))
        || items.size() == 6 && items.get(5) != None.NONE) {
      throw pickle.error("refers to a storage in an unknown way");
    }
    var shown = "storage " + CheckpointException.show(key);
    if (elements < 0 || elements > Long.MAX_VALUE / dtype.bytes()) {
      throw pickle.error("has a " + shown + " of " + elements + " elements of " + dtype);
    }
    var storage = new Storage(key, dtype, elements);
    var before = storages.putIfAbsent(key, storage);
    if (before != null && !before.equals(storage)) {
      throw pickle.error(
          "has the "
              + shown
              + " as "
              + before.elements()
              + " elements of "
              + before.dtype()
              + " and as "
              + elements
              + " of "
              + dtype);
    }
    return storage;
  }

  private Dict orderedDict(List<PickleValue> arguments) throws CheckpointException {
    arity("OrderedDict", arguments, 0, 1);
    var dict = new Dict(true);
    // Python 2 wrote the items as one list of pairs.
    if (!arguments.isEmpty()) {
      var pairs = items("OrderedDict", arguments.getFirst());
      pickle.pay(pairs.size());
      for (var pair : pairs) {
        var item = items("an item of OrderedDict", pair);
        if (item.size() != 2) {
          throw pickle.error("has an item of OrderedDict of " + item.size() + " parts");
        }
        set(dict, item.get(0), item.get(1));
      }
    }
    return dict;
  }

  private TensorView tensor(List<PickleValue> arguments) throws CheckpointException {
    if (!(arguments.get(0) instanceof Storage storage)) {
      throw pickle.error("makes a tensor of " + arguments.get(0).kind() + ", expected a storage");
    }
    if (!(arguments.get(1) instanceof Int(var offset))) {
      throw pickle.error("has a tensor whose offset is " + arguments.get(1).kind());
    }
    return new TensorView(
        storage, offset, ints("size", arguments.get(2)), ints("stride", arguments.get(3)));
  }

  private long[] ints(String what, PickleValue value) throws CheckpointException {
    if (!(value instanceof Tuple(var items))) {
      throw pickle.error("has a tensor whose " + what + " is " + value.kind());
    }
    // A tuple may be shared by many tensors; a long one would make each of them expensive.
    if (items.size() > 64) {
      throw pickle.error("has a tensor whose " + what + " has " + items.size() + " items");
    }
    long[] values = new long[items.size()];
    for (int i = 0; i < values.length; i++) {
      if (!(items.get(i) instanceof Int(var number))) {
        throw pickle.error("has a tensor whose " + what + " holds " + items.get(i).kind());
      }
      values[i] = number;
    }
    return values;
  }

  private List<PickleValue> items(String what, PickleValue value) throws CheckpointException {
    return switch (value) {
      case Tuple(var items) -> items;
      case PyList list -> list.items;
      default -> throw pickle.error("makes " + what + " of " + value.kind());
    };
  }

  private void arity(String function, List<PickleValue> arguments, int least, int most)
      throws CheckpointException {
    if (arguments.size() < least || arguments.size() > most) {
      throw pickle.error("calls " + function + " with " + arguments.size() + " arguments");
    }
  }

  private static String shown(Dict dict) {
    return CheckpointException.show(dict.entries.firstEntry().getKey());
  }
}
