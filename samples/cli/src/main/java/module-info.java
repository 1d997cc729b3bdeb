/** The gatun command. */
module dev.gatun.cli {
  requires dev.gatun.models;
  requires info.picocli;
}
