package dev.gatun.models.checkpoint;

import dev.gatun.models.checkpoint.PickleValue.Bool;
import dev.gatun.models.checkpoint.PickleValue.Dict;
import dev.gatun.models.checkpoint.PickleValue.Int;
import dev.gatun.models.checkpoint.PickleValue.Namespace;
import dev.gatun.models.checkpoint.PickleValue.Real;
import dev.gatun.models.checkpoint.PickleValue.Storage;
import dev.gatun.models.checkpoint.PickleValue.TensorView;
import dev.gatun.models.checkpoint.PickleValue.Text;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;

/** Finds the weights in what a pickle describes, and proves that each lies inside its storage. */
final class StateDict {
  /** Where training scripts put the weights, the averaged ones first. */
  private static final List<String> WRAPPERS =
      List.of("ema", "state_dict", "model", "model_state_dict");

  /** What DataParallel puts before every key. */
  private static final String PARALLEL = "module.";

  /** What tensors may have together beyond twice the file: small expanded ones, shared weights. */
  private static final long EXPANDED = 16L << 20;

  private final Source source;
  private final ToLongFunction<Storage> offsets;
  private final ByteBudget views;

  private StateDict(Source source, ToLongFunction<Storage> offsets) {
    this.source = source;
    this.offsets = offsets;
    this.views =
        new ByteBudget(
            source.name(), 2 * source.size() + EXPANDED, "the tensors that it describes");
  }

  /**
   * The contents of a file.
   *
   * @param offsets where in the file each storage begins
   */
  static Contents contents(
      Source source, String format, PickleValue root, ToLongFunction<Storage> offsets)
      throws CheckpointException {
    if (!(root instanceof Dict top)) {
      throw source.error(
          "holds " + root.kind() + ", expected a dict of tensors; save the state_dict");
    }
    var tensors = new StateDict(source, offsets).tensors(weights(top));
    if (tensors.isEmpty()) {
      throw source.error(
          "holds no tensors under its keys ("
              + CheckpointException.show(
                  top.entries.keySet().stream().limit(8).collect(Collectors.joining(", ")))
              + "); save the state_dict");
    }
    return new Contents(format, arguments(top), tensors);
  }

  private static Dict weights(Dict top) {
    for (var wrapper : WRAPPERS) {
      if (top.entries.get(wrapper) instanceof Dict inner
          && inner.entries.values().stream().anyMatch(TensorView.class::isInstance)) {
        return inner;
      }
    }
    return top;
  }

  private SequencedMap<String, StoredTensor> tensors(Dict weights) throws CheckpointException {
    var views = new LinkedHashMap<String, TensorView>();
    weights.entries.forEach(
        (key, value) -> {
          if (value instanceof TensorView view) {
            views.put(key, view);
          }
        });
    boolean parallel = views.keySet().stream().allMatch(key -> key.startsWith(PARALLEL));
    var tensors = new LinkedHashMap<String, StoredTensor>();
    for (var entry : views.entrySet()) {
      var key = parallel ? entry.getKey().substring(PARALLEL.length()) : entry.getKey();
      tensors.put(key, tensor(key, entry.getValue()));
    }
    return tensors;
  }

  private StoredTensor tensor(String key, TensorView view) throws CheckpointException {
    var storage = view.storage();
    var info = source.tensor(key, storage.dtype(), view.size());
    if (!inside(view)) {
      throw source.error(
          Source.about(key)
              + "has the shape "
              + info.shape()
              + ", strides "
              + Arrays.toString(view.stride())
              + " and offset "
              + view.offset()
              + ", which is not inside its storage "
              + CheckpointException.show(storage.key())
              + " of "
              + storage.elements()
              + " elements; the file is damaged or hostile");
    }
    views.take(info.bytes());
    long offset = offsets.applyAsLong(storage) + view.offset() * storage.dtype().bytes();
    return new StoredTensor(info, offset, view.stride());
  }

  /** Whether the first and the last element, and so all between them, are in the storage. */
  private static boolean inside(TensorView view) {
    long elements = view.storage().elements();
    if (view.stride().length != view.size().length
        || view.offset() < 0
        || view.offset() > elements) {
      return false;
    }
    boolean empty = false;
    long last = view.offset();
    try {
      for (int axis = 0; axis < view.size().length; axis++) {
        if (view.stride()[axis] < 0) {
          return false;
        }
        empty |= view.size()[axis] == 0;
        long steps = Math.max(view.size()[axis] - 1, 0);
        last = Math.addExact(last, Math.multiplyExact(steps, view.stride()[axis]));
      }
    } catch (ArithmeticException e) {
      return false;
    }
    return empty || last < elements;
  }

  /** The plain values of the training script's arguments. */
  private static SequencedMap<String, String> arguments(Dict top) {
    var metadata = new LinkedHashMap<String, String>();
    if (top.entries.get("args") instanceof Namespace args) {
      args.entries.forEach(
          (name, value) -> {
            switch (value) {
              case Text(var text) -> metadata.put("args." + name, text);
              case Int(var number) -> metadata.put("args." + name, Long.toString(number));
              case Real(var number) -> metadata.put("args." + name, Double.toString(number));
              case Bool(var truth) -> metadata.put("args." + name, Boolean.toString(truth));
              default -> {}
            }
          });
    }
    return metadata;
  }
}
