package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32;

/**
 * Writes pictures to a NumPy {@code .npz} file as guided-diffusion's scripts do, picture by
 * picture: {@code arr_0}, U8 {@code [N, H, W, C]}, and where there are labels {@code arr_1}, I64
 * {@code [N]}.
 *
 * <pre>{@code
 * try (var writer = NpzWriter.create(file, 50_000, 256, 256, 3)) {
 *   for (…) {
 *     writer.write(rgb);
 *   }
 *   writer.finish(labels);
 * }
 * }</pre>
 *
 * <p>The bytes go to a file beside the target, which takes its place in {@link #finish}; what was
 * there before stays until then, and for good if anything fails. Files of more than 4 GiB get the
 * zip64 fields that they need.
 */
public final class NpzWriter implements AutoCloseable {
  private final Path target;
  private final PartialFile partial;
  private final FileChannel channel;
  private final List<StoredMember> members = new ArrayList<>();
  private final CRC32 crc = new CRC32();
  private final int count;
  private final long imageBytes;
  private int written;
  private long at;

  private NpzWriter(Path target, Shape shape) throws IOException {
    this.target = target;
    PartialFile.removeLeftovers(target);
    this.partial = PartialFile.of(target);
    this.channel = partial.open();
    this.count = shape.dim(0);
    this.imageBytes = shape.size() / count;
  }

  /**
   * Begins a file.
   *
   * @param target where it will be; a file that is there is replaced
   * @param count how many pictures will be written
   * @param channels of each pixel, 3 for RGB
   * @throws IllegalArgumentException if an extent is not positive
   */
  public static NpzWriter create(Path target, int count, int height, int width, int channels)
      throws IOException {
    if (count < 1 || height < 1 || width < 1 || channels < 1) {
      throw new IllegalArgumentException(
          target
              + ": %d pictures of %d×%d pixels and %d channels cannot be written"
                  .formatted(count, height, width, channels));
    }
    var shape = Shape.of(count, height, width, channels);
    var writer = new NpzWriter(target, shape);
    try {
      writer.begin("arr_0.npy", NpyHeader.write(DType.U8, shape), shape.size());
      return writer;
    } catch (IOException | RuntimeException | Error e) {
      writer.close();
      throw e;
    }
  }

  /**
   * Writes the next picture.
   *
   * @param pixels row by row, channel fastest
   * @throws IllegalArgumentException if it has another size than was said
   * @throws IllegalStateException if all pictures were written
   */
  public void write(byte[] pixels) throws IOException {
    if (pixels.length != imageBytes) {
      throw new IllegalArgumentException(
          target + ": a picture has " + pixels.length + " bytes, expected " + imageBytes);
    }
    if (written == count) {
      throw new IllegalStateException(target + ": all " + count + " pictures were written before");
    }
    put(pixels);
    written++;
  }

  /** {@link #finish(long[])} without labels. */
  public void finish() throws IOException {
    finish(null);
  }

  /**
   * Makes the file complete and puts it in its place.
   *
   * @param labels one for each picture; null for none
   * @throws IllegalStateException if a picture was not written
   * @throws IllegalArgumentException if there are more or fewer labels
   */
  public void finish(long[] labels) throws IOException {
    if (written != count) {
      throw new IllegalStateException(
          target + ": " + written + " of " + count + " pictures were written");
    }
    if (labels != null && labels.length != count) {
      throw new IllegalArgumentException(
          target + ": there are " + labels.length + " labels for " + count + " pictures");
    }
    end();
    if (labels != null) {
      var bytes = ByteBuffer.allocate(labels.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asLongBuffer().put(labels);
      begin("arr_1.npy", NpyHeader.write(DType.I64, Shape.of(count)), bytes.capacity());
      put(bytes.array());
      end();
    }
    put(ByteBuffer.wrap(StoredMember.directory(members, at)), at);
    channel.force(true);
    channel.close();
    partial.complete();
  }

  /** Begins a member of which the size is known, but not yet the checksum. */
  private void begin(String name, byte[] header, long dataBytes) throws IOException {
    var member = new StoredMember(name, at, header.length + dataBytes, 0);
    members.add(member);
    at += member.local().length;
    crc.reset();
    put(header);
  }

  /** Writes the local header of the member that was begun, now that its checksum is known. */
  private void end() throws IOException {
    var begun = members.removeLast();
    var member = new StoredMember(begun.name(), begun.offset(), begun.size(), crc.getValue());
    members.add(member);
    put(ByteBuffer.wrap(member.local()), member.offset());
  }

  private void put(byte[] bytes) throws IOException {
    crc.update(bytes);
    put(ByteBuffer.wrap(bytes), at);
    at += bytes.length;
  }

  private void put(ByteBuffer bytes, long to) throws IOException {
    while (bytes.hasRemaining()) {
      to += channel.write(bytes, to);
    }
  }

  /** Removes what was written unless it is {@linkplain #finish finished}. */
  @Override
  public void close() throws IOException {
    try {
      channel.close();
    } finally {
      partial.close();
    }
  }
}
