package dev.gatun.models.checkpoint;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/**
 * A file that appears when it is complete: until then its bytes lie beside it, under a name with
 * the number of this process.
 *
 * <pre>{@code
 * try (var partial = PartialFile.of(target)) {
 *   Files.writeString(partial.path(), text);
 *   partial.complete();
 * }
 * }</pre>
 *
 * <p>A process that is killed leaves such bytes behind; the number tells the next one that nobody
 * writes them any more, and it {@linkplain #removeLeftovers(Path) removes} them.
 */
public final class PartialFile implements AutoCloseable {
  private static final Pattern NAME = Pattern.compile("(.+)\\.([0-9]{1,18})(-[0-9]+)?\\.partial");

  /** What this process writes. */
  private static final Set<Path> OPEN = ConcurrentHashMap.newKeySet();

  private final Path target;
  private final Path path;
  private final Path key;

  private PartialFile(Path target, Path path, Path key) {
    this.target = target;
    this.path = path;
    this.key = key;
  }

  /**
   * Begins a file; at its path there is nothing yet.
   *
   * @param target where it will be; a file that is there is replaced
   */
  public static PartialFile of(Path target) throws IOException {
    var folder = folder(target).toRealPath();
    var stem = target.getFileName() + "." + ProcessHandle.current().pid();
    var name = stem + ".partial";
    for (int i = 2; !OPEN.add(folder.resolve(name)); i++) {
      name = stem + "-" + i + ".partial"; // somebody else in this process writes the same file
    }
    var partial = new PartialFile(target, target.resolveSibling(name), folder.resolve(name));
    try {
      Files.deleteIfExists(partial.path); // of a process that had the same number
      return partial;
    } catch (IOException | RuntimeException | Error e) {
      OPEN.remove(partial.key);
      throw e;
    }
  }

  /** Where to write until the file is complete. */
  public Path path() {
    return path;
  }

  /** Opens it for writing; if that fails, it is closed. */
  FileChannel open() throws IOException {
    try {
      return FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    } catch (IOException | RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Puts the file in its place. */
  public void complete() throws IOException {
    try {
      Files.move(path, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(path, target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Removes what was written unless it is {@linkplain #complete complete}. */
  @Override
  public void close() throws IOException {
    try {
      Files.deleteIfExists(path);
    } finally {
      OPEN.remove(key);
    }
  }

  /** Removes what processes that are no more left of a file. */
  public static void removeLeftovers(Path target) {
    var name = String.valueOf(target.getFileName());
    remove(folder(target), file -> name.equals(target(file)));
  }

  /** Removes what processes that are no more left of any file in a folder. */
  public static void removeLeftoversIn(Path folder) {
    remove(folder, file -> true);
  }

  /** What cannot be listed or removed does no harm. */
  private static void remove(Path folder, DirectoryStream.Filter<Path> wanted) {
    try (var files = Files.newDirectoryStream(folder, wanted)) {
      for (var file : files) {
        if (isLeftover(file)) {
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      return;
    }
  }

  /**
   * Whether a process wrote it that is no more. In a container every program may have the number
   * that this one has: what has it counts unless it is written right now.
   */
  private static boolean isLeftover(Path file) throws IOException {
    var name = NAME.matcher(file.getFileName().toString());
    if (!name.matches()) {
      return false;
    }
    long process = Long.parseLong(name.group(2));
    return process == ProcessHandle.current().pid()
        ? !OPEN.contains(folder(file).toRealPath().resolve(file.getFileName()))
        : ProcessHandle.of(process).isEmpty();
  }

  private static String target(Path file) {
    var name = NAME.matcher(file.getFileName().toString());
    return name.matches() ? name.group(1) : "";
  }

  private static Path folder(Path file) {
    return file.toAbsolutePath().getParent();
  }
}
