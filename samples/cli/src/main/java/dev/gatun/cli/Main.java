package dev.gatun.cli;

import dev.gatun.models.json.Json;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/**
 * The {@code gatun} command: finds the command that the arguments name, runs it, and turns whatever
 * it throws into one sentence and an exit code.
 */
@CommandLine.Command(
    name = "gatun",
    description = "Diffusion image models in pure Java.",
    synopsisSubcommandLabel = "COMMAND",
    versionProvider = Main.Version.class,
    footer = {"", "gatun help COMMAND tells more of a command."})
public final class Main {
  static final int DONE = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  /** What a shell reports of a program that Ctrl-C ended. */
  static final int INTERRUPTED = 130;

  /** How long Ctrl-C waits for the present step to end. */
  private static final int PATIENCE_SECONDS = 3;

  private static final List<String> NAMES =
      List.of("generate", "forward", "info", "bench", "devices", "help");

  private final PrintStream out;
  private final PrintStream err;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this.")
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Print the version.")
  private boolean version;

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
    var main = new Main(out, err);
    try {
      return main.run(args);
    } catch (Throwable e) {
      return new Complaint(err).about(e);
    } finally {
      out.flush();
      err.flush();
    }
  }

  private int run(String[] args) throws IOException, InterruptedException {
    if (args.length > 0 && !args[0].startsWith("-") && !NAMES.contains(args[0])) {
      throw CommandException.usage(
          "there is no command '" + args[0] + "'; there are " + String.join(", ", NAMES));
    }
    var line = commandLine(args);
    if (args.length == 0) {
      line.usage(err);
      return USAGE;
    }
    var parsed = line.parseArgs(args);
    if (CommandLine.executeHelpRequest(parsed) != null) {
      return DONE;
    }
    if (!parsed.hasSubcommand()) {
      throw CommandException.usage("there is no command; gatun help lists them");
    }
    ((Command) parsed.subcommand().commandSpec().userObject()).run();
    return DONE;
  }

  /** Knows all commands, or only the one that is called: to read all takes as long as to run it. */
  private CommandLine commandLine(String[] args) {
    var line = new CommandLine(this);
    boolean one = args.length > 0 && NAMES.contains(args[0]) && !args[0].equals("help");
    for (var name : one ? List.of(args[0]) : NAMES) {
      var command = new CommandLine(command(name));
      if (!name.equals("help")) {
        command
            .getCommandSpec()
            .addOption(
                OptionSpec.builder("-h", "--help")
                    .usageHelp(true)
                    .description("Print this.")
                    .build());
      }
      line.addSubcommand(name, command);
    }
    line.setExpandAtFiles(false);
    line.setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF));
    line.setOut(new PrintWriter(out, true));
    line.setErr(new PrintWriter(err, true));
    return line;
  }

  private Object command(String name) {
    return switch (name) {
      case "generate" -> new GenerateCommand(this);
      case "forward" -> new ForwardCommand(this);
      case "info" -> new InfoCommand(this);
      case "bench" -> new BenchCommand(this);
      case "devices" -> new DevicesCommand(this);
      case "help" -> new CommandLine.HelpCommand();
      default -> throw new IllegalStateException(name);
    };
  }

  /** Where results go, and nothing else. */
  PrintStream out() {
    return out;
  }

  /** Where progress goes. */
  PrintStream err() {
    return err;
  }

  /** Prints an object on one line of UTF-8, whatever the encoding of the terminal. */
  void print(Map<String, Json> members) {
    byte[] line =
        (new Json.JsonObject(new LinkedHashMap<>(members)) + "\n").getBytes(StandardCharsets.UTF_8);
    out.write(line, 0, line.length);
  }

  /** The version that this was built as. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      var module = Main.class.getModule().getDescriptor();
      var version = module == null ? null : module.rawVersion().orElse(null);
      return new String[] {"gatun " + (version == null ? "of unknown version" : version)};
    }
  }
}
