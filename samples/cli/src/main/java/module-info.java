/** The gatun command. */
module dev.gatun.cli {
  requires dev.gatun.models;
  requires info.picocli;

  provides System.LoggerFinder with
      dev.gatun.cli.PlainLoggerFinder;
}
