/** Checkpoints, networks, diffusion, and the pipeline that most people use. */
module dev.gatun.models {
  requires transitive dev.gatun.runtime;

  exports dev.gatun.models.checkpoint;
}
