package dev.gatun.cli;

import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ParseResult;

/**
 * A command of the command line.
 *
 * <p>What it takes is built with picocli's API rather than its annotations: to read those costs
 * every run 0.1 s of processor time, a quarter of what a short command takes.
 */
interface Command {
  /** Name, description, options and parameters. */
  CommandSpec spec();

  /**
   * Does the work.
   *
   * @throws CommandException if it cannot, with the sentence for the user
   * @throws InterruptedException if the user stopped it
   */
  void run(ParseResult arguments) throws IOException, InterruptedException;

  /** The beginning of a {@link #spec}. */
  static CommandSpec spec(String name, String... description) {
    var spec = CommandSpec.create().name("gatun " + name);
    spec.usageMessage().description(description).sortOptions(false).autoWidth(false);
    return spec;
  }

  /** An option with a value. */
  static OptionSpec option(String name, String label, Class<?> type, String... description) {
    return OptionSpec.builder(name).paramLabel(label).type(type).description(description).build();
  }

  /** An option that is there or not. */
  static OptionSpec flag(String name, String description) {
    return OptionSpec.builder(name).type(boolean.class).description(description).build();
  }

  /** The one parameter that is no option, a text. */
  static PositionalParamSpec parameter(String label, boolean required, String description) {
    return PositionalParamSpec.builder()
        .index("0")
        .arity(required ? "1" : "0..1")
        .required(required)
        .paramLabel(label)
        .type(String.class)
        .description(description)
        .build();
  }

  /** {@code --preset}, where a command opens a checkpoint. */
  static OptionSpec preset() {
    return option(
        "--preset",
        "NAME",
        String.class,
        "Which published checkpoint it is, such as DiT-XL/2-256 or lsun_cat, where files are alike.");
  }

  /** {@code --config}, where a command opens a checkpoint. */
  static OptionSpec config() {
    return option(
        "--config",
        "FILE",
        Path.class,
        "A JSON description of the network, where the checkpoint has none.");
  }
}
