package dev.gatun.bindings.loader;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * The folders where NVIDIA's libraries are looked for, in order:
 *
 * <ol>
 *   <li>the property {@value #PROPERTY}, then the environment variable {@value #VARIABLE}: folders
 *       separated by colons, each a folder of libraries, the root of a CUDA toolkit or Python's
 *       {@code site-packages};
 *   <li>the toolkit in {@code CUDA_HOME} or {@code CUDA_PATH}, then {@code LD_LIBRARY_PATH};
 *   <li>NVIDIA's wheels of the Python in {@code VIRTUAL_ENV} or {@code CONDA_PREFIX};
 *   <li>{@code /usr/local/cuda} and {@code /opt/cuda}, the folders of the system's loader ({@code
 *       /etc/ld.so.conf} and what it includes), and the usual ones of distributions, containers and
 *       WSL;
 *   <li>NVIDIA's wheels in the home folder ({@code pip install --user}) and of the system's Python.
 * </ol>
 *
 * @param folders those that exist, each once
 */
public record SearchPath(List<Path> folders) {
  /** A system property that names folders. */
  public static final String PROPERTY = "gatun.cuda.path";

  /** An environment variable that does the same. */
  public static final String VARIABLE = "GATUN_CUDA_PATH";

  private static final List<String> TOOLKITS = List.of("/usr/local/cuda", "/opt/cuda");

  private static final List<String> USUAL =
      List.of(
          "/usr/lib/x86_64-linux-gnu",
          "/usr/lib/aarch64-linux-gnu",
          "/usr/lib64",
          "/usr/lib",
          "/usr/lib/wsl/lib",
          "/usr/local/nvidia/lib64",
          "/run/opengl-driver/lib");

  /** A copy that nobody changes. */
  public SearchPath {
    folders = List.copyOf(folders);
  }

  /** That of this process. */
  public static SearchPath ofSystem() {
    return of(System::getProperty, System::getenv, Path.of("/"));
  }

  /**
   * That of another one.
   *
   * @param property its system properties
   * @param variable its environment
   * @param root where its file system begins
   */
  static SearchPath of(UnaryOperator<String> property, UnaryOperator<String> variable, Path root) {
    Set<Path> folders = new LinkedHashSet<>();
    for (var list : new String[] {property.apply(PROPERTY), variable.apply(VARIABLE)}) {
      split(list).forEach(folder -> addAny(folder, folders));
    }
    for (var name : new String[] {"CUDA_HOME", "CUDA_PATH"}) {
      split(variable.apply(name)).forEach(folder -> addToolkit(folder, folders));
    }
    split(variable.apply("LD_LIBRARY_PATH")).forEach(folder -> add(folder, folders));
    for (var name : new String[] {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
      split(variable.apply(name)).forEach(prefix -> addPython(prefix, folders));
    }
    TOOLKITS.forEach(toolkit -> addToolkit(under(root, toolkit), folders));
    addLoaderFolders(root.resolve("etc/ld.so.conf"), root, folders);
    USUAL.forEach(folder -> add(under(root, folder), folders));
    split(property.apply("user.home")).forEach(home -> addPython(home.resolve(".local"), folders));
    for (var prefix : new String[] {"/usr/local", "/usr"}) {
      addPython(under(root, prefix), folders);
    }
    return new SearchPath(List.copyOf(folders));
  }

  /** The first file of a library, of a preferred name before others; a part beside its whole. */
  public Optional<Path> find(NvidiaLibrary library) {
    return find(library, Integer.MAX_VALUE);
  }

  /** The same among the libraries of a CUDA whose major version is at most this one. */
  public Optional<Path> find(NvidiaLibrary library, int most) {
    var whole = library.partOf() == null ? Optional.<Path>empty() : find(library.partOf(), most);
    return whole
        .flatMap(file -> find(library, most, List.of(file.getParent())))
        .or(() -> find(library, most, folders));
  }

  private static Optional<Path> find(NvidiaLibrary library, int most, List<Path> folders) {
    for (var name : library.fileNames(most)) {
      for (var folder : folders) {
        var file = matching(folder, name).stream().filter(Files::isRegularFile).findFirst();
        if (file.isPresent()) {
          return file;
        }
      }
    }
    return Optional.empty();
  }

  private static List<Path> split(String list) {
    var folders = new ArrayList<Path>();
    for (var name : list == null ? new String[0] : list.split(File.pathSeparator)) {
      try {
        if (!name.isBlank()) {
          folders.add(Path.of(name).toAbsolutePath());
        }
      } catch (InvalidPathException e) {
        // not the name of a folder, so no library is in it
      }
    }
    return folders;
  }

  private static Path under(Path root, String absolute) {
    return root.resolve(absolute.substring(1));
  }

  private static void add(Path folder, Set<Path> folders) {
    if (Files.isDirectory(folder)) {
      folders.add(folder.normalize());
    }
  }

  private static void addToolkit(Path toolkit, Set<Path> folders) {
    add(toolkit.resolve("lib64"), folders);
    matching(toolkit.resolve("targets"), "*-linux")
        .forEach(target -> add(target.resolve("lib"), folders));
    add(toolkit.resolve("lib"), folders);
  }

  /** What a wheel of NVIDIA's unpacks, {@code nvidia/cu13/lib} and {@code nvidia/cudnn/lib}. */
  private static void addWheels(Path packages, Set<Path> folders) {
    matching(packages.resolve("nvidia"), "*").forEach(wheel -> add(wheel.resolve("lib"), folders));
  }

  private static void addPython(Path prefix, Set<Path> folders) {
    for (var python : matching(prefix.resolve("lib"), "python3*")) {
      addWheels(python.resolve("site-packages"), folders);
      addWheels(python.resolve("dist-packages"), folders);
    }
  }

  private static void addAny(Path folder, Set<Path> folders) {
    add(folder, folders);
    addToolkit(folder, folders);
    addWheels(folder, folders);
  }

  /** The folders that the file names; one that cannot be read names none. */
  private static void addLoaderFolders(Path file, Path root, Set<Path> folders) {
    try {
      for (var line : Files.readAllLines(file)) {
        var text = line.strip();
        if (text.startsWith("include ")) {
          var pattern = Path.of(text.substring("include ".length()).strip());
          var parent = pattern.isAbsolute() ? under(root, pattern.getParent().toString()) : null;
          if (parent != null && !parent.equals(file.getParent())) {
            matching(parent, pattern.getFileName().toString())
                .forEach(included -> addLoaderFolders(included, root, folders));
          }
        } else if (text.startsWith("/")) {
          add(under(root, text), folders);
        }
      }
    } catch (IOException | InvalidPathException e) {
      // no such file, or not ours to read
    }
  }

  /** Entries of a folder whose names match, in reverse order of the alphabet. */
  private static List<Path> matching(Path folder, String pattern) {
    var found = new ArrayList<Path>();
    if (!Files.isDirectory(folder)) {
      return found;
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, pattern)) {
      entries.forEach(found::add);
    } catch (IOException | java.nio.file.DirectoryIteratorException e) {
      return List.of(); // not ours to read
    }
    found.sort(Comparator.reverseOrder());
    return found;
  }
}
