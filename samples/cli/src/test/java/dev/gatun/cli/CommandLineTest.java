package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every command has in common: help, wrong usage, and sentences instead of stack traces. */
class CommandLineTest {
  @TempDir Path folder;

  @Test
  void helpListsEveryCommand() {
    var run = Run.of("help");
    run.requireDone();
    for (var command : new String[] {"generate", "forward", "info", "bench", "devices"}) {
      assertTrue(run.out().lines().anyMatch(l -> l.startsWith("  " + command + " ")), run.out());
    }
    assertEquals(run.out(), Run.of("--help").out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"generate", "forward", "info", "bench", "devices"})
  void helpOfACommand(String command) {
    var run = Run.of("help", command);
    run.requireDone();
    assertTrue(run.out().startsWith("Usage: gatun " + command), run.out());
    assertEquals(run.out(), Run.of(command, "--help").out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"generate", "forward", "bench"})
  void helpTellsWhatAutoTakes(String command) {
    var said = Run.of("help", command).out().replaceAll("\\s+", " ");
    assertTrue(said.contains("--dtype=f32|bf16|i8|auto In what products are computed"), said);
    assertTrue(said.contains("auto is bf16 there for weights of 16 bits, else f32"), said);
  }

  @Test
  void version() {
    var run = Run.of("--version");
    run.requireDone();
    assertTrue(run.out().startsWith("gatun "), run.out());
  }

  @Test
  void withoutArgumentsTheHelpIsWrongUsage() {
    var run = Run.of();
    assertEquals(Main.USAGE, run.exitCode());
    assertEquals("", run.out());
    assertTrue(run.err().startsWith("Usage: gatun"), run.err());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          paint                                | there is no command 'paint'
          --loud                               | there is no option '--loud'
          help paint                           | there is no command 'paint'
          help info bench                      | help takes one command
          --                                   | there is no option '--'
          generate --count 0                   | count is 0
          generate --count many                | '--count'
          generate --seed x                    | '--seed'
          generate --class fig                 | there is no class 'fig'; there are apple, avocado
          generate --class 24                  | class 24
          generate --steps 1001                | steps is 1001
          generate --batch 0                   | batch is 0
          generate --sampler plms              | no sampler 'plms'; there are ddpm, ddim
          generate --sampler ddim-reverse      | makes noise of pictures
          generate --eta 1.5                   | eta is 1.5
          generate --eta 0.5 --sampler ddpm    | ddpm takes no eta
          generate --churn 5 --sampler ddim    | ddim takes no churn
          generate --churn -1                  | churn is -1
          generate --respacing ddim300         | ddim300
          generate --respacing 5,x             | 'x'
          generate --size 33                   | 33
          generate --size 0                    | size is 0
          generate --prompt cat                | trained with texts, which this one was not
          generate --guidance NaN              | guidance is NaN
          generate --guidance-channels few     | --guidance-channels is 'few'
          generate --rng dice                  | --rng is 'dice'
          generate --device tpu                | 'tpu'
          generate --backend gpu               | 'gpu'
          generate --threads 0                 | --threads is 0
          generate --dtype f64                 | --dtype is 'f64', expected f32, bf16, i8 or auto
          bench --dtype i4                     | --dtype is 'i4', expected f32, bf16, i8 or auto
          bench --compare auto                 | --compare is 'auto', expected f32, bf16 or i8
          bench --compare f32                  | --compare is f32, which is what computes without it: give another --dtype
          generate --dtype i8 --backend reference | the reference backend computes in f32 alone: leave that name out, or i8
          generate --dtype bf16 --backend reference | the reference backend computes in f32 alone: leave that name out, or bf16
          generate --backend bf16              | no backend 'bf16' for this device: there are [cpu, reference]
          bench DiT-XXL/2 --dtype auto         | DiT-XXL/2 is neither a file, nor bundled, nor a published size
          generate --threads 1000000000        | --threads is 1000000000
          generate --out fruit.jpg             | written as PNG
          generate one two                     | 'two'
          generate --sampler em-sde --respacing 5 | em-sde takes no respacing
          generate --sampler foo               | 'foo'; there are ddpm, ddim, em-sde, em-ode
          generate --steps 5 --respacing 5     | --steps and --respacing exclude each other
          generate --clip --threshold 0.99     | --clip and --threshold exclude each other
          generate --no-clip --threshold 0.99  | --clip and --threshold exclude each other
          generate --prompt a --prompts b      | --prompt and --prompts exclude each other
          generate --class ,                   | --class is ',', where a name is empty
          generate --class apple,,fig          | --class is 'apple,,fig', where a name is empty
          generate --class apple --class fig,  | where a name is empty
          convert a                            | 'OUT.safetensors'
          convert a b --dtype f8               | --dtype is 'f8'
          forward --in a                       | '--weights=FILE'
          info                                 | 'FILE|NAME'
          bench --steps 0                      | --steps is 0
          bench --batch -1                     | --batch is -1
          bench DiT-XXL/2                      | DiT-XXL/2 is neither a file, nor bundled, nor a published size
          """)
  void wrongUsage(String arguments, String said) {
    var run = Run.of(arguments.strip().split(" +"));
    assertEquals(Main.USAGE, run.exitCode(), arguments);
    run.requireOneSentence(said);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          generate nothing-here          | nothing-here: there is neither a file nor a bundled model
          generate nothing.pt            | nothing.pt: there is no such file
          generate nothing.pt --dtype auto | nothing.pt: there is no such file
          generate --device cuda --dtype bf16 | nothing can compute on cuda:0 here; not cuda:
          generate --device cuda --dtype auto | nothing can compute on cuda:0 here; not cuda:
          info nothing.pt                | nothing.pt: there is no such file
          generate --device cuda         | nothing can compute on cuda:0 here; not cuda:
          bench --device cuda:1          | nothing can compute on cuda:1 here; not cuda:
          generate --out no/such/a.png   | there is no folder
          generate --config no.json      | no.json
          generate --vae FILE            | needs no autoencoder
          generate --text-encoder DIR    | not trained with texts
          generate --classifier FILE     | FILE: there is no such file
          generate --preset DiT-XL/2-256 | dit-fruit
          generate --low-res no.npz      | no.npz
          convert nothing.pt a.safetensors | nothing.pt: there is no such file
          """)
  void failures(String arguments, String said) {
    var run = Run.of(arguments.strip().split(" +"));
    assertEquals(Main.FAILED, run.exitCode(), arguments);
    run.requireOneSentence(said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"--sampler foo", "--sampler em-sde --respacing 5"})
  void onlySamplersThatMakePicturesAreListed(String options) {
    var run = Run.of(("generate " + options).split(" "));
    assertTrue(run.err().contains(", ddim"), run.err());
    assertFalse(run.err().contains("ddim-reverse"), run.err());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "generate --out",
        "generate --vae",
        "generate --config",
        "info dit-fruit --config",
        "convert dit-fruit",
      })
  void emptyNamesAreWrongUsage(String line) {
    var arguments = new ArrayList<>(List.of(line.split(" ")));
    arguments.add("");
    var run = Run.of(arguments.toArray(String[]::new));
    assertEquals(Main.USAGE, run.exitCode(), run.err());
    run.requireOneSentence("the name is empty; give that of a file or folder");
  }

  @Test
  void namesThatNoFileCanHaveAreWrongUsage() {
    for (var option : List.of("--config", "--out")) {
      var run = Run.of("generate", option, "a\0b");
      assertEquals(Main.USAGE, run.exitCode(), run.err());
      run.requireOneSentence("'a\\u0000b' cannot be the name of a file: Nul character not allowed");
      assertTrue(run.err().contains(option), run.err());
    }
    assertEquals(
        ", for names are written in ANSI_X3.4-1968 here; set LC_ALL=C.UTF-8",
        PathArgument.reason(new InvalidPathException("?", "unmappable"), "ANSI_X3.4-1968"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"info dit-fruit --json", "info dit-fruit", "devices", "help", "--version"})
  void whatCannotBePrintedIsAFailure(String line) {
    var full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("No space left on device");
          }
        };
    var err = new ByteArrayOutputStream();
    int code =
        Main.run(
            line.split(" "),
            new PrintStream(new BufferedOutputStream(full)),
            new PrintStream(err, true, StandardCharsets.UTF_8));
    assertEquals(Main.FAILED, code);
    var said = err.toString(StandardCharsets.UTF_8);
    assertTrue(said.startsWith("gatun: standard output is full or closed"), said);
    assertEquals(1, said.lines().count(), said);
  }

  @Test
  void atSignsAreNotFilesOfArguments() {
    Run.of("generate", "--class", "@fruit").requireOneSentence("there is no class '@fruit'");
  }

  @Test
  void anythingElseIsAnInternalError() {
    var stream = new java.io.ByteArrayOutputStream();
    int code =
        new Complaint(new java.io.PrintStream(stream)).about(new IllegalStateException("x\n  y"));
    assertEquals(Main.FAILED, code);
    assertEquals(
        "gatun: internal error: java.lang.IllegalStateException: x y; please report it",
        stream.toString().strip());
  }

  @Test
  void devicesSaysWhatIsInUse() {
    var run = Run.of("devices");
    run.requireDone();
    assertTrue(run.out().contains("in use: "), run.out());
    assertTrue(run.out().contains("-bit vectors"), run.out());
    assertTrue(run.out().contains(Runtime.version().toString()), run.out());
    assertTrue(run.out().contains("bf16        "), run.out());
    assertTrue(run.out().contains("i8          "), run.out());
    assertTrue(run.out().contains("cuda        off: "), run.out());
    assertFalse(run.out().contains("null"), run.out());
  }
}
