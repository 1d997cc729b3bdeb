package dev.gatun.models.pipeline;

/** Where the noise of a picture comes from. */
public enum Rng {
  /**
   * A generator for each picture, seeded from the seed and the picture's number: independent of
   * count and batch.
   */
  IMAGE,
  /** One generator in the order of the authors' scripts: the same pictures as PyTorch on a CPU. */
  TORCH,
  /** As TORCH, with the generator that PyTorch has on CUDA; not yet held against hardware. */
  CUDA
}
