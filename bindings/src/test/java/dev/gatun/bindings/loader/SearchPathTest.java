package dev.gatun.bindings.loader;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SearchPathTest {
  @TempDir private Path root;

  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> variables = new HashMap<>();

  @Test
  void aMachineWithNothingHasNoFolders() {
    assertEquals(List.of(), path().folders());
    assertEquals(Optional.empty(), path().find(NvidiaLibrary.DRIVER));
  }

  @Test
  void thePropertyComesBeforeTheVariableAndTheToolkit() throws IOException {
    var usual = folder("usr/local/cuda/lib64");
    var toolkit = folder("toolkit/lib64");
    var second = folder("second");
    var first = folder("first");
    properties.put(SearchPath.PROPERTY, first + ":" + root.resolve("absent") + ": ");
    variables.put(SearchPath.VARIABLE, second.toString());
    variables.put("CUDA_HOME", toolkit.getParent().toString());
    assertEquals(List.of(first, second, toolkit, usual), path().folders());
  }

  @Test
  void aGivenFolderMayBeAToolkitOrSitePackages() throws IOException {
    var lib = folder("toolkit/targets/x86_64-linux/lib");
    var cudnn = folder("site-packages/nvidia/cudnn/lib");
    var cuda = folder("site-packages/nvidia/cu13/lib");
    properties.put(
        SearchPath.PROPERTY, root.resolve("toolkit") + ":" + root.resolve("site-packages"));
    assertEquals(
        List.of(root.resolve("toolkit"), lib, root.resolve("site-packages"), cudnn, cuda),
        path().folders());
  }

  @Test
  void thePythonInUseIsSearched() throws IOException {
    var wheel = folder("venv/lib/python3.12/site-packages/nvidia/cudnn/lib");
    var system = folder("usr/lib/python3/dist-packages/nvidia/cudnn/lib");
    var user = folder("home/.local/lib/python3.13/site-packages/nvidia/cudnn/lib");
    variables.put("VIRTUAL_ENV", root.resolve("venv").toString());
    properties.put("user.home", root.resolve("home").toString());
    assertEquals(List.of(wheel, root.resolve("usr/lib"), user, system), path().folders());
  }

  @Test
  void theLoadersConfigurationIsRead() throws IOException {
    var driver = folder("opt/driver");
    Files.createDirectories(root.resolve("etc/ld.so.conf.d"));
    Files.writeString(
        root.resolve("etc/ld.so.conf"), "# comment\ninclude /etc/ld.so.conf.d/*.conf\n");
    Files.writeString(
        root.resolve("etc/ld.so.conf.d/nvidia.conf"), "/opt/driver\n/opt/absent\nnonsense\n");
    assertEquals(List.of(driver), path().folders());
  }

  /** A file that includes its own folder would otherwise be read for ever. */
  @Test
  void aConfigurationThatIncludesItselfEnds() throws IOException {
    Files.createDirectories(root.resolve("etc"));
    Files.writeString(root.resolve("etc/ld.so.conf"), "include /etc/*.conf\n");
    assertEquals(List.of(), path().folders());
  }

  @Test
  void aNewerVersionComesBeforeANearerFolder() throws IOException {
    var near = folder("near");
    var far = folder("far");
    Files.createFile(near.resolve("libcublas.so.12"));
    Files.createFile(far.resolve("libcublas.so.13"));
    properties.put(SearchPath.PROPERTY, near + ":" + far);
    assertEquals(Optional.of(far.resolve("libcublas.so.13")), path().find(NvidiaLibrary.CUBLAS));
  }

  @Test
  void aPartIsTakenFromBesideItsWhole() throws IOException {
    var old = folder("old");
    var recent = folder("recent");
    Files.createFile(old.resolve("libnvrtc-builtins.so.13.1"));
    Files.createFile(recent.resolve("libnvrtc.so.13"));
    var fitting = Files.createFile(recent.resolve("libnvrtc-builtins.so.13.0"));
    properties.put(SearchPath.PROPERTY, old + ":" + recent);
    assertEquals(Optional.of(fitting), path().find(NvidiaLibrary.NVRTC_BUILTINS));
  }

  @Test
  void aFolderWithTheNameOfALibraryIsNone() throws IOException {
    folder("lib/libcudnn.so.9");
    properties.put(SearchPath.PROPERTY, root.resolve("lib").toString());
    assertEquals(Optional.empty(), path().find(NvidiaLibrary.CUDNN));
  }

  private Path folder(String name) throws IOException {
    return Files.createDirectories(root.resolve(name));
  }

  private SearchPath path() {
    return SearchPath.of(properties::get, variables::get, root);
  }
}
