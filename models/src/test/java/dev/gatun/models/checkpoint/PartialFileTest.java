package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of files that are not complete. */
@DisabledOnOs(OS.WINDOWS)
class PartialFileTest {
  private static final long OWN = ProcessHandle.current().pid();

  @TempDir Path folder;

  private List<String> names() throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private void leave(String name) throws IOException {
    Files.writeString(folder.resolve(name), "half a file");
  }

  private static long dead() throws Exception {
    var process = new ProcessBuilder("true").start();
    process.waitFor();
    return process.pid();
  }

  @Test
  void aFileAppearsWhenItIsComplete() throws IOException {
    var target = folder.resolve("a");
    Files.writeString(target, "old");
    try (var partial = PartialFile.of(target)) {
      Files.writeString(partial.path(), "new");
      assertEquals(List.of("a", "a." + OWN + ".partial"), names());
      assertEquals("old", Files.readString(target));
      partial.complete();
    }
    assertEquals(List.of("a"), names());
    assertEquals("new", Files.readString(target));
  }

  @Test
  void twoMayWriteTheSameFile() throws IOException {
    var target = folder.resolve("a");
    try (var one = PartialFile.of(target);
        var two = PartialFile.of(folder.resolve("../" + folder.getFileName() + "/a"))) {
      assertNotEquals(one.path().getFileName(), two.path().getFileName());
      Files.writeString(one.path(), "one");
      Files.writeString(two.path(), "two");
      PartialFile.removeLeftovers(target);
      one.complete();
      two.complete();
    }
    assertEquals(List.of("a"), names());
    assertEquals("two", Files.readString(target));
  }

  @Test
  void writersRemoveWhatDeadProcessesLeftOfTheirFile() throws Exception {
    long dead = dead();
    var alive = ProcessHandle.current().parent().orElseThrow().pid();
    for (var target : List.of("a.npz", "a.safetensors")) {
      leave(target + "." + dead + ".partial");
      leave(target + "." + dead + "-2.partial");
      leave(target + "." + OWN + ".partial");
      leave(target + "." + alive + ".partial");
    }
    leave("b.npz." + dead + ".partial");
    leave("a.npz.partial");
    var info = new TensorInfo("x", DType.F32, Shape.of(1));
    NpzWriter.create(folder.resolve("a.npz"), 1, 1, 1, 1).close();
    SafetensorsWriter.create(folder.resolve("a.safetensors"), Map.of(), List.of(info)).close();
    assertEquals(
        List.of(
            "a.npz." + alive + ".partial",
            "a.npz.partial",
            "a.safetensors." + alive + ".partial",
            "b.npz." + dead + ".partial"),
        names());
    PartialFile.removeLeftoversIn(folder);
    assertEquals(
        List.of(
            "a.npz." + alive + ".partial", "a.npz.partial", "a.safetensors." + alive + ".partial"),
        names());
  }
}
