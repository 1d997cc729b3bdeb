package dev.gatun.models.vae;

import dev.gatun.models.layers.Weights;

/** From latents, behind {@code post_quant_conv}, to a picture. */
final class Decoder extends Coder {
  Decoder(Weights weights, String prefix, AutoencoderKLConfig config) {
    int last = config.levels() - 1;
    int groups = config.normNumGroups();
    super(
        weights,
        prefix,
        config.latentChannels(),
        config.width(last),
        config.width(0),
        config.outChannels(),
        groups);
    int c = config.width(last);
    addMiddle(weights, prefix, c, groups);
    for (int level = last; level >= 0; level--) {
      var up = prefix + ".up." + level;
      for (int i = 0; i <= config.layersPerBlock(); i++) {
        add(new ResnetBlock(weights, up + ".block." + i, c, config.width(level), groups));
        c = config.width(level);
      }
      if (level > 0) {
        add(new Upsample(weights, up + ".upsample", c));
      }
    }
  }
}
