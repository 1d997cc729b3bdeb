package dev.gatun.cli;

import dev.gatun.models.json.Json;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * The {@code gatun} command: finds the command that the arguments name, runs it, and turns whatever
 * it throws into one sentence and an exit code.
 */
public final class Main {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  /** What a shell reports of a program that Ctrl-C ended. */
  static final int INTERRUPTED = 130;

  /** How long Ctrl-C waits for the present step to end. */
  private static final int PATIENCE_SECONDS = 3;

  private static final List<String> NAMES =
      List.of("generate", "forward", "info", "bench", "devices", "convert");

  private final PrintStream out;
  private final PrintStream err;

  private Main(PrintStream out, PrintStream err) {
    this.out = out;
    this.err = err;
  }

  /** Runs a command and ends the JVM with its exit code. */
  public static void main(String[] args) {
    Terminal.restoreStandardError();
    var done = new CountDownLatch(1);
    stopOnSignal(Thread.currentThread(), done);
    int code = run(args, System.out, System.err);
    done.countDown();
    if (code != DONE) {
      System.exit(code);
    }
  }

  /**
   * On Ctrl-C lets the command end at its next step. A step of a large network can take longer than
   * a person waits; nothing is lost then, for files only appear when they are complete.
   */
  private static void stopOnSignal(Thread worker, CountDownLatch done) {
    Runnable stop =
        () -> {
          worker.interrupt();
          try {
            done.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(stop));
  }

  /**
   * Runs a command.
   *
   * @return its exit code: 0 done, 1 the work failed, 2 wrong usage, 130 interrupted
   */
  static int run(String[] args, PrintStream out, PrintStream err) {
    int code;
    try {
      code = new Main(out, err).run(args);
      if (out.checkError()) {
        throw CommandException.failure(
            "standard output is full or closed, so that not all of the result was printed;"
                + " send it elsewhere");
      }
    } catch (Throwable e) {
      code = new Complaint(err).about(e);
    }
    out.flush();
    err.flush();
    return code;
  }

  private int run(String[] args) throws IOException, InterruptedException {
    if (args.length == 0) {
      all().usage(err, Ansi.OFF);
      return USAGE;
    }
    switch (args[0]) {
      case "help" -> help(args);
      case "-h", "--help" -> all().usage(out, Ansi.OFF);
      case "-V", "--version" -> out.println("gatun " + version());
      default -> {
        var command = command(args[0]);
        var line = line(command);
        var arguments = line.parseArgs(Arrays.copyOfRange(args, 1, args.length));
        if (arguments.isUsageHelpRequested()) {
          line.usage(out, Ansi.OFF);
        } else {
          command.run(arguments);
        }
      }
    }
    return DONE;
  }

  private void help(String[] args) {
    if (args.length > 2) {
      throw CommandException.usage("help takes one command, not " + (args.length - 1));
    }
    (args.length == 1 ? all() : line(command(args[1]))).usage(out, Ansi.OFF);
  }

  private Command command(String name) {
    return switch (name) {
      case "generate" -> new GenerateCommand(this);
      case "forward" -> new ForwardCommand(this);
      case "info" -> new InfoCommand(this);
      case "bench" -> new BenchCommand(this);
      case "devices" -> new DevicesCommand(this);
      case "convert" -> new ConvertCommand(this);
      default ->
          throw CommandException.usage(
              (name.startsWith("-") ? "there is no option '" : "there is no command '")
                  + name
                  + "'; the commands are "
                  + String.join(", ", NAMES)
                  + ", and help tells more of each");
    };
  }

  /** Only what is called is built; the others take their time, too. */
  private static CommandLine line(Command command) {
    var help = OptionSpec.builder("-h", "--help").usageHelp(true).description("Print this.");
    var line = new CommandLine(command.spec().addOption(help.build()));
    line.registerConverter(Path.class, new PathArgument());
    return line.setExpandAtFiles(false);
  }

  /** All commands, to be listed. */
  private CommandLine all() {
    var spec = CommandSpec.create().name("gatun");
    spec.usageMessage()
        .description("Diffusion image models in pure Java.")
        .customSynopsis(
            "Usage: gatun COMMAND", "       gatun help [COMMAND]", "       gatun --version")
        .synopsisHeading("")
        .autoWidth(false);
    for (var name : NAMES) {
      spec.addSubcommand(name, command(name).spec().name(name));
    }
    return new CommandLine(spec);
  }

  /** The version that this was built as. */
  private static String version() {
    var module = Main.class.getModule().getDescriptor();
    return module == null ? "of unknown version" : module.rawVersion().orElse("of unknown version");
  }

  /** Prints a line of the result. */
  void say(String line) {
    out.println(Printable.of(line));
  }

  /** Tells the user something beside the result. */
  void note(String line) {
    err.println("gatun: " + Printable.of(line));
  }

  /** Where progress goes. */
  PrintStream err() {
    return err;
  }

  /** Prints an object on one line of UTF-8, whatever the encoding of the terminal. */
  void print(Map<String, Json> members) {
    var json = Printable.of(new Json.JsonObject(new LinkedHashMap<>(members)).toString());
    byte[] line = (json + "\n").getBytes(StandardCharsets.UTF_8);
    out.write(line, 0, line.length);
  }
}
