package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The script {@code gatun} in a source tree of its own, whose path has a space, with programs that
 * stand for Maven and, but for what concerns standard error, for Java.
 */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
  private static final String MAVEN = "echo \"$JAVA_HOME $*\" >>maven.calls";
  private static final String MODULES = "mkdir -p samples/cli/target/modules";

  @TempDir private Path temp;
  private Path root;
  private Path jdk;

  @BeforeEach
  void makeTheSourceTree() throws IOException {
    root = Files.createDirectories(temp.resolve("the tree"));
    Files.copy(Path.of("../../gatun"), root.resolve("gatun"));
    for (var file : List.of("pom.xml", "runtime/pom.xml", "samples/cli/pom.xml")) {
      write(root.resolve(file), "");
    }
    write(root.resolve("runtime/src/main/java/A.java"), "");
    jdk = jdk("jdk", "25.0.3", "echo \"$PWD\"; printf '<%s>' \"${@: -2}\"; cat; exit 7");
    program("mvn", MAVEN + "\n" + MODULES);
  }

  private static void write(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }

  private static void script(Path file, String text) throws IOException {
    write(file, "#!/usr/bin/env bash\n" + text + "\n");
    assertTrue(file.toFile().setExecutable(true), file.toString());
  }

  private void program(String name, String text) throws IOException {
    script(temp.resolve("bin").resolve(name), text);
  }

  private Path jdk(String name, String version, String java) throws IOException {
    var home = temp.resolve(name);
    script(home.resolve("bin/java"), java);
    script(home.resolve("bin/javac"), "exit 9");
    write(home.resolve("release"), "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"" + version + "\"\n");
    return home;
  }

  private record Outcome(int exit, String out, String err) {}

  /** Runs a line of shell in the temporary folder; {@code $G} is the launcher. */
  private Outcome shell(String line) throws IOException, InterruptedException {
    return shell(line, jdk);
  }

  private Outcome shell(String line, Path javaHome) throws IOException, InterruptedException {
    var out = Files.createTempFile(temp, "out", "");
    var err = Files.createTempFile(temp, "err", "");
    var builder = new ProcessBuilder("bash", "-c", line);
    builder.directory(temp.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile());
    var environment = builder.environment();
    environment.put("G", root.resolve("gatun").toString());
    environment.put("HOME", temp.toString());
    environment.put("JAVA_HOME", javaHome.toString());
    environment.put("PATH", temp.resolve("bin") + ":" + System.getenv("PATH"));
    // The options of the JVM that runs this test are not for the ones that it starts.
    environment.keySet().removeAll(List.of("GATUN_JAVA_OPTS", "JAVA_TOOL_OPTIONS", "SDKMAN_DIR"));
    var process = builder.start();
    process.getOutputStream().close();
    return new Outcome(process.waitFor(), Files.readString(out), Files.readString(err));
  }

  private int builds() throws IOException {
    return Files.readAllLines(root.resolve("maven.calls")).size();
  }

  @Test
  void programGetsArgumentsDirectoryAndInputAndGivesTheExitCode() throws Exception {
    var outcome = shell("mkdir sub && cd sub && echo input | \"$G\" 'a b' '*'");
    assertEquals(temp.toRealPath().resolve("sub") + "\n<a b><*>input\n", outcome.out);
    assertEquals(7, outcome.exit);
  }

  @Test
  void isFoundThroughSymbolicLinks() throws Exception {
    var outcome =
        shell("mkdir links && cd links && ln -s \"$G\" one && ln -s one two && ./two x y");
    assertEquals(7, outcome.exit, outcome.err);
    assertEquals(1, builds());
  }

  @Test
  void javaHomeIsTakenIfNewEnoughElseTheNewestJdk() throws Exception {
    jdk(".jdks/newest", "99-ea", "exit 99");
    jdk(".jdks/newer", "98.0.1", "exit 98");
    assertEquals(7, shell("\"$G\" x y").exit);
    assertEquals(99, shell("\"$G\" x y", jdk("old", "1.8.0_402", "exit 8")).exit);
    assertEquals(99, shell("\"$G\" x y", jdk("old", "24.0.2", "exit 24")).exit);
    assertEquals(99, shell("\"$G\" x y", temp.resolve("nothing")).exit);
  }

  @Test
  void buildsOnceAndThenWhenASourceIsNewer() throws Exception {
    var first = shell("\"$G\" x y");
    assertTrue(first.err.startsWith("Building Gatun"), first.err);
    assertEquals("", shell("\"$G\" x y").err);
    assertEquals(1, builds());
    var source = root.resolve("runtime/src/main/java/A.java");
    Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(60)));
    shell("\"$G\" x y");
    assertEquals(2, builds());
    assertTrue(Files.readString(root.resolve("maven.calls")).startsWith(jdk + " "));
  }

  @Test
  void twoAtATimeBuildOnce() throws Exception {
    program("mvn", MAVEN + "\nsleep 1\n" + MODULES);
    var outcome = shell("\"$G\" a b & \"$G\" c d & wait");
    assertEquals(1, builds(), outcome.err);
    assertTrue(outcome.out.contains("<a><b>") && outcome.out.contains("<c><d>"), outcome.out);
  }

  @Test
  void aLockWhoseHolderIsGoneDoesNotBlock() throws Exception {
    // A process id that a process had: that of a shell that has ended.
    shell("mkdir -p \"${G%/*}/target\" && ln -s $$ \"${G%/*}/target/gatun.lock\"");
    assertEquals(7, shell("\"$G\" x y").exit);
    assertEquals(1, builds());
  }

  @Test
  void aFailedBuildShowsTheErrorsAndIsTriedAgain() throws Exception {
    program(
        "mvn", MAVEN + "\necho noise\necho '[ERROR] A.java:[1,2] wrong'\necho '[ERROR] '\nexit 1");
    for (int i = 1; i <= 2; i++) {
      var outcome = shell("\"$G\" x y");
      assertEquals(1, outcome.exit);
      var log = root.toRealPath().resolve("samples/cli/target/build.log");
      assertEquals(
          List.of(
              "[ERROR] A.java:[1,2] wrong",
              "gatun: the build failed; all that it said is in " + log),
          outcome.err.lines().skip(1).toList());
      assertEquals("", outcome.out);
      assertEquals(i, builds());
    }
  }

  @Test
  void testRunsMavenInTheTreeAndGivesItsExitCode() throws Exception {
    program("mvn", "echo \"$PWD $*\"; exit 3");
    var outcome = shell("\"$G\" test -Dx=y");
    assertEquals(root.toRealPath() + " verify -Dx=y\n", outcome.out);
    assertEquals(3, outcome.exit);
  }

  /** Puts a program in place of the command line that writes to both streams in turn. */
  private void realProgram() throws Exception {
    var sources = Files.createDirectories(temp.resolve("sources"));
    Files.copy(
        Path.of("src/main/java/dev/gatun/cli/Terminal.java"), sources.resolve("Terminal.java"));
    write(
        sources.resolve("module-info.java"),
        "module dev.gatun.cli { requires dev.gatun.bindings; }");
    // The module that may call native code, as the launcher says.
    write(root.resolve("bindings/module-info.java"), "module dev.gatun.bindings {}");
    write(
        sources.resolve("Main.java"),
        """
        package dev.gatun.cli;
        public class Main {
          public static void main(String[] args) {
            Terminal.restoreStandardError();
            System.out.println("out 1");
            System.err.println("err 1");
            System.out.println("out 2");
            System.err.println("err 2");
            System.exit(5);
          }
        }
        """);
    jdk = Path.of(System.getProperty("java.home"));
    var modules = root.resolve("samples/cli/target/modules");
    var compiled =
        shell(
            ("J='%s/bin/javac' M='%s' R='%s' && \"$J\" -d \"$M/bindings\" \"$R/bindings/module-info.java\""
                    + " && \"$J\" -p \"$M/bindings\" -d \"$M/cli\" sources/*.java"
                    + " && touch \"${G%%/*}/samples/cli/target/built\"")
                .formatted(jdk, modules, root));
    assertEquals(0, compiled.exit, compiled.err);
  }

  @Test
  void standardErrorHasTheProgramsLinesOnlyAndInOrder() throws Exception {
    realProgram();
    var all = "out 1\nerr 1\nout 2\nerr 2\n";
    var piped = shell("\"$G\" 2>&1 | cat");
    assertEquals(all, piped.out + piped.err);
    // One position in one file, shared by both streams and by the shell.
    var filed = shell("(echo before; \"$G\"; echo after $? >&2) >file 2>&1; cat file");
    assertEquals("before\n" + all + "after 5\n", filed.out);
    var closed = shell("\"$G\" 2>&-");
    assertEquals(new Outcome(5, "out 1\nout 2\n", ""), closed);
  }

  @Test
  void whatTheJvmSaysItselfIsHeard() throws Exception {
    realProgram();
    var outcome = shell("GATUN_JAVA_OPTS=-XX:+NoSuchFlag \"$G\" 2>&1 | cat");
    assertTrue(outcome.out.contains("NoSuchFlag"), outcome.out);
  }

  @Test
  void withoutTheDescriptorStandardErrorStaysBehindTheFilter() throws Exception {
    realProgram();
    var outcome = shell("GATUN_JAVA_OPTS=-Dgatun.stderr=none \"$G\" 2>&1 >/dev/null | cat");
    assertEquals("err 1\nerr 2\n", outcome.out);
  }
}
