package dev.gatun.models.checkpoint;

import java.nio.charset.StandardCharsets;

/**
 * What {@code torch.save} writes since 1.6: a zip of one directory with {@code data.pkl}, the
 * storages as {@code data/KEY}, {@code version} and {@code byteorder}.
 */
final class TorchZip {
  private static final String FORMAT = "PyTorch zip";
  private static final String PICKLE = "data.pkl";

  /** A pickle of 1,000 tensors has about 100 kB. */
  private static final long MAX_PICKLE = ByteBudget.DESCRIPTION;

  private static final long MAX_NOTE = 64;

  private final Source source;
  private final ZipArchive archive;
  private final String directory;

  private TorchZip(Source source) throws CheckpointException {
    this.source = source;
    this.archive = ZipArchive.read(source);
    this.directory = directory();
  }

  static boolean is(Source source) throws CheckpointException {
    return source.has(0, 'P', 'K', 3, 4) || source.has(0, 'P', 'K', 5, 6);
  }

  static Contents read(Source source) throws CheckpointException {
    return new TorchZip(source).contents();
  }

  /** The directory of the members, with its slash. */
  private String directory() throws CheckpointException {
    var names = archive.members().sequencedKeySet();
    var first = names.isEmpty() ? "" : names.getFirst();
    var prefix = first.substring(0, first.indexOf('/') + 1);
    for (var name : names) {
      if (!name.startsWith(prefix)) {
        throw source.error(
            "its members "
                + CheckpointException.show(first)
                + " and "
                + CheckpointException.show(name)
                + " are not in one directory; it is not a file of torch.save");
      }
    }
    if (archive.members().containsKey(prefix + "constants.pkl")) {
      throw source.error(
          "is a TorchScript archive, a program; load it in torch and save its state_dict");
    }
    if (prefix.isEmpty() || !archive.members().containsKey(prefix + PICKLE)) {
      throw source.error("is a zip without DIRECTORY/data.pkl; it is not a file of torch.save");
    }
    return prefix;
  }

  private Contents contents() throws CheckpointException {
    var order = note("byteorder", "little");
    if (!order.equals("little")) {
      throw source.error(
          "its byteorder is "
              + CheckpointException.show(order)
              + ", only little can be read; save it again on a little-endian machine");
    }
    var version = note("version", "3");
    if (!version.matches("[1-9]|10")) {
      throw source.error(
          "its version is " + CheckpointException.show(version) + ", only 1 to 10 can be read");
    }
    var member = archive.members().get(directory + PICKLE);
    archive.verify(member, MAX_PICKLE);
    long end = member.offset() + member.size();
    var pickle = new Pickle(source, member.offset(), end);
    var root = pickle.load();
    if (pickle.position() != end) {
      throw source.error(
          "has "
              + (end - pickle.position())
              + " bytes after the end of its pickle; the file is damaged or hostile");
    }
    for (var storage : pickle.storages().values()) {
      var data = archive.members().get(name(storage));
      var shown = "its storage " + CheckpointException.show(storage.key());
      if (data == null) {
        throw source.error(
            shown + " is missing: there is no member " + CheckpointException.show(name(storage)));
      }
      if (data.size() != storage.bytes()) {
        throw source.error(
            shown
                + " has "
                + data.size()
                + " bytes, its pickle says "
                + storage.elements()
                + " elements of "
                + storage.dtype()
                + "; the file is damaged");
      }
    }
    return StateDict.contents(
        source, FORMAT, root, storage -> archive.members().get(name(storage)).offset());
  }

  private String name(PickleValue.Storage storage) {
    return directory + "data/" + storage.key();
  }

  /** The text of a small member. */
  private String note(String name, String otherwise) throws CheckpointException {
    var member = archive.members().get(directory + name);
    if (member == null) {
      return otherwise;
    }
    archive.verify(member, MAX_NOTE);
    return new String(source.copy(member.offset(), member.size()), StandardCharsets.ISO_8859_1)
        .strip();
  }
}
