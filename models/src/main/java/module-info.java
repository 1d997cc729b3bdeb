/** Checkpoints, networks, diffusion, and the pipeline that most people use. */
@SuppressWarnings("module") // dev.gatun.cli is built after this module, so it is not visible here
module dev.gatun.models {
  requires transitive dev.gatun.runtime;
  requires transitive java.desktop;
  requires jdk.jfr;

  exports dev.gatun.models;
  exports dev.gatun.models.dit;
  exports dev.gatun.models.layers;
  exports dev.gatun.models.pipeline;
  exports dev.gatun.models.json to
      dev.gatun.cli;
  exports dev.gatun.models.diffusion;
  exports dev.gatun.models.checkpoint;
}
