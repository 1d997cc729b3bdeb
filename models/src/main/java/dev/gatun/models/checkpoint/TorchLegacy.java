package dev.gatun.models.checkpoint;

import dev.gatun.models.checkpoint.PickleValue.BigInt;
import dev.gatun.models.checkpoint.PickleValue.Bool;
import dev.gatun.models.checkpoint.PickleValue.Dict;
import dev.gatun.models.checkpoint.PickleValue.Int;
import dev.gatun.models.checkpoint.PickleValue.PyList;
import dev.gatun.models.checkpoint.PickleValue.Storage;
import dev.gatun.models.checkpoint.PickleValue.Text;
import java.math.BigInteger;
import java.util.HashMap;
import java.util.Map;

/**
 * What {@code torch.save} wrote before 1.6: pickles of a magic number, a protocol number, the
 * machine's properties, the object, and the list of storage keys; then for each of those the number
 * of its elements (64 bits) and its bytes.
 */
final class TorchLegacy {
  private static final String FORMAT = "PyTorch legacy";
  private static final BigInteger MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
  private static final long PROTOCOL = 1001;

  private final Source source;
  private long at;

  private TorchLegacy(Source source) {
    this.source = source;
  }

  /** Whether it begins with a pickle; that of the magic number is told apart when it is read. */
  static boolean is(Source source) throws CheckpointException {
    return source.has(0, 0x80) && source.size() > 1 && source.u8(1) >= 2 && source.u8(1) <= 5;
  }

  static Contents read(Source source) throws CheckpointException {
    return new TorchLegacy(source).contents();
  }

  private Contents contents() throws CheckpointException {
    if (!(load() instanceof BigInt(var magic)) || !magic.equals(MAGIC)) {
      throw source.error(
          "is a pickle but not one of torch.save: its magic number is missing; save it with"
              + " torch.save or as safetensors");
    }
    if (!(load() instanceof Int(var protocol)) || protocol != PROTOCOL) {
      throw source.error("its legacy protocol is not " + PROTOCOL + "; save it again in torch");
    }
    if (load() instanceof Dict machine
        && machine.entries.get("little_endian") instanceof Bool(var little)
        && !little) {
      throw source.error(
          "its byteorder is big, only little can be read; save it again on a little-endian"
              + " machine");
    }
    var pickle = next();
    var root = pickle.load();
    at = pickle.position();
    var offsets = offsets(load(), pickle.storages());
    return StateDict.contents(source, FORMAT, root, storage -> offsets.get(storage.key()));
  }

  /** Reads the next of the pickles that follow each other. */
  private PickleValue load() throws CheckpointException {
    var pickle = next();
    var value = pickle.load();
    at = pickle.position();
    return value;
  }

  private Pickle next() {
    return new Pickle(source, at, source.size());
  }

  /** Where the bytes of each storage begin; all of them must be there, and nothing else. */
  private Map<String, Long> offsets(PickleValue keys, Map<String, Storage> storages)
      throws CheckpointException {
    if (!(keys instanceof PyList list)) {
      throw source.error("its storage keys are " + keys.kind() + ", expected a list");
    }
    var offsets = new HashMap<String, Long>();
    for (var item : list.items) {
      if (!(item instanceof Text(var key)) || !storages.containsKey(key)) {
        throw source.error(
            "lists the storage "
                + (item instanceof Text(var key) ? CheckpointException.show(key) : item.kind())
                + ", which its pickle does not mention; the file is damaged");
      }
      var storage = storages.get(key);
      var shown = "its storage " + CheckpointException.show(key);
      long elements = source.i64(at);
      if (elements != storage.elements()) {
        throw source.error(
            shown
                + " has "
                + elements
                + " elements, its pickle says "
                + storage.elements()
                + " of "
                + storage.dtype()
                + "; the file is damaged");
      }
      source.require(at + 8, storage.bytes());
      if (offsets.put(key, at + 8) != null) {
        throw source.error(shown + " is listed twice; the file is damaged");
      }
      at += 8 + storage.bytes();
    }
    for (var key : storages.keySet()) {
      if (!offsets.containsKey(key)) {
        throw source.error(
            "its storage " + CheckpointException.show(key) + " is missing; the file is damaged");
      }
    }
    if (at != source.size()) {
      throw source.error(
          "has "
              + (source.size() - at)
              + " bytes after its last storage, which belong to none; the file is damaged or is"
              + " two files in one");
    }
    return offsets;
  }
}
