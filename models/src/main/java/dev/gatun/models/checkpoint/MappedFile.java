package dev.gatun.models.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file in memory, opened once: what the channel said of its size is what counts from then on.
 *
 * @param arena the mapping, or null where somebody else owns the memory
 */
record MappedFile(Source source, Arena arena) implements AutoCloseable {
  static MappedFile open(Path file) throws CheckpointException {
    var name = name(file);
    return open(file, new ByteBudget(name, ByteBudget.DESCRIPTION, "its description"));
  }

  static String name(Path file) {
    return String.valueOf(file.getFileName() == null ? file : file.getFileName());
  }

  /** Maps a file that shares its budget with others. */
  static MappedFile open(Path file, ByteBudget budget) throws CheckpointException {
    var name = name(file);
    var arena = Arena.ofShared();
    try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
      var bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      return new MappedFile(new Source(name, bytes, budget), arena);
    } catch (NoSuchFileException e) {
      arena.close();
      throw new CheckpointException(name, "there is no such file; looked for " + file, e);
    } catch (AccessDeniedException e) {
      arena.close();
      throw new CheckpointException(name, "may not be read; check its permissions", e);
    } catch (IOException | UnsupportedOperationException e) {
      arena.close();
      throw new CheckpointException(name, "cannot be mapped into memory: " + e.getMessage(), e);
    }
  }

  /**
   * Turns what the JVM throws when a mapped page is no longer in the file into a sentence; gives
   * any other error back as it is.
   */
  InternalError fault(InternalError e) throws CheckpointException {
    if (String.valueOf(e.getMessage()).contains("unsafe memory")) {
      throw new CheckpointException(
          source.name(),
          "was cut off by somebody while it was being read; leave the file alone until it is closed",
          e);
    }
    return e;
  }

  @Override
  public void close() {
    if (arena != null && arena.scope().isAlive()) {
      arena.close();
    }
  }
}
