/** Checkpoints, networks, diffusion, and the pipeline that most people use. */
module dev.gatun.models {
  requires transitive dev.gatun.runtime;
  requires transitive java.desktop;
  requires jdk.jfr;

  exports dev.gatun.models;
  exports dev.gatun.models.diffit;
  exports dev.gatun.models.clip;
  exports dev.gatun.models.dit;
  exports dev.gatun.models.layers;
  exports dev.gatun.models.pipeline;
  exports dev.gatun.models.json;
  exports dev.gatun.models.diffusion;
  exports dev.gatun.models.checkpoint;
  exports dev.gatun.models.uvit;
}
