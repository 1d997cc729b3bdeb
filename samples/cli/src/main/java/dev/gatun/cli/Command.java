package dev.gatun.cli;

import java.io.IOException;

/** What a command of the command line does, once its arguments are understood. */
interface Command {
  /**
   * Does the work.
   *
   * @throws CommandException if it cannot, with the sentence for the user
   * @throws InterruptedException if the user stopped it
   */
  void run() throws IOException, InterruptedException;
}
