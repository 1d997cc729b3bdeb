package dev.gatun.models.vae;

/** A step of encoder or decoder: it turns the feature map that is being worked on into another. */
sealed interface Stage permits ResnetBlock, AttnBlock, Upsample, Downsample {
  /** {@code x → next} of the maps. */
  void forward(FeatureMaps maps);

  /**
   * How many floats it needs at once, operand and result included, for each pixel of the operand.
   */
  long floatsPerPixel();

  /** Height or width of the result. */
  default int extent(int operand) {
    return operand;
  }
}
