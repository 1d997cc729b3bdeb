package dev.gatun.bindings.loader;

import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Loads NVIDIA's libraries when they are first asked for, so that a machine without them notices
 * nothing. The generated packages find their functions in whatever libraries the class loader of
 * this module has loaded, hence {@code System.load} from a class of it; a function that is called
 * before its library is loaded stays broken until the JVM ends.
 *
 * <p>Loading is thread-safe, and done once: what failed fails again with the same message.
 */
public final class LibraryLoader {
  private static final LibraryLoader OF_SYSTEM = new LibraryLoader(null);

  /** Set when it is first needed, since folders are looked at for it. */
  private SearchPath path;

  private int most = Integer.MAX_VALUE;

  private final Map<NvidiaLibrary, Path> loaded = new EnumMap<>(NvidiaLibrary.class);
  private final Map<NvidiaLibrary, MissingLibraryException> failed =
      new EnumMap<>(NvidiaLibrary.class);

  /** Looks in other folders; null for those of {@link SearchPath#ofSystem()}. */
  LibraryLoader(SearchPath path) {
    this.path = path;
  }

  /** The one that everybody shares: a library is loaded once in a JVM. */
  public static LibraryLoader ofSystem() {
    return OF_SYSTEM;
  }

  /**
   * Loads a library and those that it needs, unless they are loaded.
   *
   * @return the file that it came from
   * @throws MissingLibraryException if it is not on this machine or cannot be loaded
   */
  public synchronized Path load(NvidiaLibrary library) {
    var had = loaded.get(library);
    if (had != null) {
      return had;
    }
    var failure = failed.get(library);
    if (failure == null) {
      try {
        var file = loadFirst(library);
        loaded.put(library, file);
        return file;
      } catch (MissingLibraryException e) {
        failed.put(library, e);
        failure = e;
      }
    }
    // A new one, with the stack of this call.
    throw new MissingLibraryException(failure.library(), failure.getMessage(), failure);
  }

  /**
   * Leaves out libraries of a newer CUDA than the driver knows, from now on.
   *
   * @param major of its CUDA, such as 12
   */
  public synchronized void prefer(int major) {
    most = major;
  }

  private Path loadFirst(NvidiaLibrary library) {
    var system = System.getProperty("os.name", "");
    if (!system.equals("Linux")) {
      throw missing(library, "cannot be called on " + system, "use Linux, or the CPU", null);
    }
    library.needs().forEach(this::load);
    if (path == null) {
      path = SearchPath.ofSystem();
    }
    var file =
        path.find(library, most)
            .orElseThrow(
                () ->
                    missing(
                        library,
                        "is not on this machine (looked for "
                            + String.join(", ", library.fileNames(most))
                            + " in "
                            + places()
                            + ")",
                        library.cure() + hint(library),
                        null));
    try {
      System.load(file.toString());
      return file;
    } catch (UnsatisfiedLinkError e) {
      var reason = String.valueOf(e.getMessage()).replace(file + ": ", "");
      throw missing(
          library,
          "does not load from " + file + " (" + reason + ")",
          library.cure() + " for this processor and its Linux" + hint(library),
          e);
    } catch (IllegalCallerException e) {
      throw missing(
          library,
          "may not be called, because this JVM denies native access",
          "start it with --enable-native-access=dev.gatun.bindings",
          e);
    }
  }

  /**
   * Sees to it that a loaded library has a function, before the generated method is called.
   *
   * @throws MissingLibraryException if not: the library is older than the function
   */
  public synchronized void require(NvidiaLibrary library, String function) {
    var file = load(library);
    if (SymbolLookup.loaderLookup().find(function).isEmpty()) {
      throw missing(
          library,
          "in " + file + " has no function " + function,
          "it is too old: " + library.cure() + hint(library),
          null);
    }
  }

  private static MissingLibraryException missing(
      NvidiaLibrary library, String fact, String cure, Throwable cause) {
    return new MissingLibraryException(library, library.title() + " " + fact + ": " + cure, cause);
  }

  private String places() {
    return path.folders().isEmpty()
        ? "any of the usual folders"
        : path.folders().stream().map(Path::toString).collect(Collectors.joining(", "));
  }

  private static String hint(NvidiaLibrary library) {
    return library == NvidiaLibrary.DRIVER
        ? ""
        : ", or give the folder of yours in -D"
            + SearchPath.PROPERTY
            + " or "
            + SearchPath.VARIABLE;
  }
}
