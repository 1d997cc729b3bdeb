package dev.gatun.models.vae;

import dev.gatun.models.layers.Weights;

/** From a picture to mean and log-variance of its latents, before {@code quant_conv}. */
final class Encoder extends Coder {
  Encoder(Weights weights, String prefix, AutoencoderKLConfig config) {
    int last = config.levels() - 1;
    int groups = config.normNumGroups();
    super(
        weights,
        prefix,
        config.inChannels(),
        config.width(0),
        config.width(last),
        2 * config.latentChannels(),
        groups);
    int c = config.width(0);
    for (int level = 0; level <= last; level++) {
      var down = prefix + ".down." + level;
      for (int i = 0; i < config.layersPerBlock(); i++) {
        add(new ResnetBlock(weights, down + ".block." + i, c, config.width(level), groups));
        c = config.width(level);
      }
      if (level < last) {
        add(new Downsample(weights, down + ".downsample", c));
      }
    }
    addMiddle(weights, prefix, c, groups);
  }
}
