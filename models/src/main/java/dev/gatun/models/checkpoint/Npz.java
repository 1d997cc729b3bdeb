package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * The arrays of a NumPy {@code .npz} file, as {@code numpy.savez} and {@code savez_compressed}
 * write them: a zip of {@code .npy} files. guided-diffusion keeps pictures in {@code arr_0}, U8
 * {@code [N, H, W, C]}, and their labels in {@code arr_1}, I64 {@code [N]}.
 *
 * <p>Opening reads and proves the headers only. Nothing is believed: shapes are held against the
 * sizes of the members, and those against the file, before memory is taken; objects, which NumPy
 * would unpickle, are refused. {@link NpzWriter} writes such files.
 */
public final class Npz implements AutoCloseable {
  private static final String SUFFIX = ".npy";

  /** Deflate makes at most so many bytes of one: whoever says more is lying. */
  private static final long MAX_RATIO = 1032;

  /** Compressed arrays are unpacked into memory, stored ones are not. */
  private static final long MAX_UNPACKED = 1L << 30;

  private static final int CHUNK = 1 << 20;

  /** Where an array lies. */
  private record Stored(TensorInfo info, ZipArchive.Member member, int header) {}

  private final MappedFile file;
  private final Map<String, Stored> arrays = new HashMap<>();
  private final SequencedMap<String, TensorInfo> infos = new LinkedHashMap<>();
  private final Set<String> verified = new HashSet<>();

  Npz(MappedFile file) throws CheckpointException {
    this.file = file;
    var source = file.source();
    if (!TorchZip.is(source)) {
      throw source.error("is no .npz file, which is a zip of arrays; write it with numpy.savez");
    }
    for (var member : ZipArchive.read(source, true).members().values()) {
      var array = array(source, member);
      arrays.put(array.info.key(), array);
      infos.put(array.info.key(), array.info);
    }
  }

  /**
   * Opens a file.
   *
   * @throws CheckpointException if there is no such file, or if it is not sound
   */
  public static Npz open(Path path) throws CheckpointException {
    var file = MappedFile.open(path);
    try {
      return new Npz(file);
    } catch (InternalError e) {
      file.close();
      throw file.fault(e);
    } catch (CheckpointException | RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  private static Stored array(Source source, ZipArchive.Member member) throws CheckpointException {
    var name = member.name();
    if (!name.endsWith(SUFFIX)) {
      throw source.error(
          "its member " + CheckpointException.show(name) + " is no array, whose name ends in .npy");
    }
    long most = NpyHeader.PREFIX + NpyHeader.MAX_LENGTH;
    var layout = NpyHeader.read(source, name, begin(source, member, Math.min(most, member.size())));
    var key = name.substring(0, name.length() - SUFFIX.length());
    var info = source.tensor(key, layout.dtype(), layout.dims());
    if (info.bytes() != member.size() - layout.length()) {
      throw NpyHeader.error(
          source,
          name,
          "is an array of %s %s, which has %d bytes, but %d follow its header; the file is damaged"
              .formatted(
                  info.dtype(), info.shape(), info.bytes(), member.size() - layout.length()));
    }
    return new Stored(info, member, layout.length());
  }

  /** The first bytes of a member. */
  private static byte[] begin(Source source, ZipArchive.Member member, long length)
      throws CheckpointException {
    if (!member.deflated()) {
      return source.copy(member.offset(), length);
    }
    if (member.size() < 0 || member.size() / MAX_RATIO > member.packed()) {
      throw NpyHeader.error(
          source,
          member.name(),
          "is said to have %s bytes, more than its %d compressed ones can become; the file is hostile"
              .formatted(Long.toUnsignedString(member.size()), member.packed()));
    }
    source.budget().take(length);
    var bytes = ByteBuffer.allocate((int) length);
    inflate(source, member, bytes, false);
    return bytes.array();
  }

  /** File name, for messages. */
  public String name() {
    return file.source().name();
  }

  /** What there is to read, by name without {@code .npy}, in file order. */
  public SequencedMap<String, TensorInfo> arrays() {
    return Collections.unmodifiableSequencedMap(infos);
  }

  /**
   * Reads an array.
   *
   * @param use gets it in host memory: a view of the mapped file, or where it is compressed a copy;
   *     either is only good until {@code use} returns
   * @return what {@code use} returns
   * @throws CheckpointException if there is no such array, its checksum is wrong, it is compressed
   *     and has more than 1 GiB, or the file was cut off after it was opened
   * @throws IllegalStateException if the file is closed
   */
  public <R> R read(String name, Function<Tensor, R> use) throws CheckpointException {
    var array = arrays.get(name);
    var source = file.source();
    if (array == null) {
      throw source.error(
          "has no array "
              + CheckpointException.show(name)
              + "; it has "
              + CheckpointException.show(String.join(", ", infos.keySet())));
    }
    try {
      return array.member.deflated() ? unpacked(array, use) : mapped(array, use);
    } catch (InternalError e) {
      throw file.fault(e);
    }
  }

  private <R> R mapped(Stored array, Function<Tensor, R> use) throws CheckpointException {
    var member = array.member;
    var bytes = file.source().bytes().asSlice(member.offset(), member.size());
    if (!verified.contains(member.name())) {
      verify(member, bytes);
      verified.add(member.name());
    }
    return use.apply(tensor(array, bytes));
  }

  private <R> R unpacked(Stored array, Function<Tensor, R> use) throws CheckpointException {
    var member = array.member;
    var source = file.source();
    if (member.size() > MAX_UNPACKED) {
      throw NpyHeader.error(
          source,
          member.name(),
          "would be unpacked to %d bytes, more than 1 GiB; write it with numpy.savez"
              .formatted(member.size()));
    }
    try (var arena = Arena.ofConfined()) {
      var bytes = arena.allocate(member.size(), Tensor.ALIGNMENT);
      inflate(source, member, bytes.asByteBuffer(), true);
      verify(member, bytes);
      return use.apply(tensor(array, bytes));
    }
  }

  private static Tensor tensor(Stored array, MemorySegment bytes) {
    var info = array.info;
    return Tensor.wrap(Device.CPU, info.dtype(), info.shape(), bytes.asSlice(array.header));
  }

  /**
   * Unpacks a member until the buffer is full.
   *
   * @param whole whether the member must end there
   */
  private static void inflate(Source source, ZipArchive.Member member, ByteBuffer to, boolean whole)
      throws CheckpointException {
    long length = Math.min(member.packed(), whole ? Integer.MAX_VALUE : CHUNK);
    var inflater = new Inflater(true);
    try {
      inflater.setInput(source.bytes().asSlice(member.offset(), length).asByteBuffer());
      while (to.hasRemaining() && inflater.inflate(to) > 0) {
        // goes on until the buffer is full or nothing comes
      }
      boolean complete =
          !whole
              || inflater.inflate(new byte[1]) == 0
                  && inflater.finished()
                  && inflater.getRemaining() == 0;
      if (to.hasRemaining() || !complete) {
        throw NpyHeader.error(
            source,
            member.name(),
            "does not become the %d bytes that the directory says; the file is damaged"
                .formatted(member.size()));
      }
    } catch (DataFormatException e) {
      throw NpyHeader.error(
          source, member.name(), "cannot be unpacked: " + e.getMessage() + "; the file is damaged");
    } finally {
      inflater.end();
    }
  }

  private void verify(ZipArchive.Member member, MemorySegment bytes) throws CheckpointException {
    var crc = new CRC32();
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      crc.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
    }
    if (crc.getValue() != member.crc()) {
      throw NpyHeader.error(
          file.source(),
          member.name(),
          "has the CRC-32 %08x, expected %08x; the file is damaged"
              .formatted(crc.getValue(), member.crc()));
    }
  }

  /** Unmaps the file; closing twice does nothing. */
  @Override
  public void close() {
    file.close();
  }
}
