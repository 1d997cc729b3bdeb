package dev.gatun.models.vae;

import dev.gatun.models.NetworkConfig;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The constructor arguments of the KL autoencoder, as diffusers names them.
 *
 * @param inChannels channels of a picture that is encoded
 * @param outChannels channels of a picture that is decoded
 * @param blockOutChannels widths of the levels, that of the full resolution first; each further
 *     level halves height and width
 * @param layersPerBlock residual blocks of a level of the encoder; the decoder has one more
 * @param latentChannels channels that encoder and decoder work on: the encoder gives twice as many,
 *     mean and log-variance
 * @param embedDim channels of the latents outside, behind {@code quant_conv} (LDM's {@code
 *     embed_dim}; the same as {@code latentChannels} in every published model)
 * @param normNumGroups groups of each group normalisation
 * @param sampleSize height and width of the pictures that it was trained on: the size of a tile
 * @param scalingFactor what a latent is multiplied by before a diffusion model sees it
 */
public record AutoencoderKLConfig(
    int inChannels,
    int outChannels,
    List<Integer> blockOutChannels,
    int layersPerBlock,
    int latentChannels,
    int embedDim,
    int normNumGroups,
    int sampleSize,
    double scalingFactor)
    implements NetworkConfig {

  /** The reciprocal of the latents' deviation on the training pictures of LDM. */
  public static final double SCALE = 0.18215;

  /** What U-ViT's MS-COCO models were trained with instead. */
  public static final double COCO_SCALE = 0.23010;

  /**
   * LDM's "kl-f8": the autoencoder of Stable Diffusion 1 and 2, and so of DiT, U-ViT and DiffiT.
   */
  public static final AutoencoderKLConfig KL_F8 =
      new AutoencoderKLConfig(3, 3, List.of(128, 256, 512, 512), 2, 4, 4, 32, 256, SCALE);

  // More than these is a broken description: the published model has 4 levels of 512 channels.
  private static final int MAX_LEVELS = 8;
  private static final int MAX_LAYERS = 64;
  private static final int MAX_CHANNELS = 1 << 14;

  public AutoencoderKLConfig {
    blockOutChannels = List.copyOf(blockOutChannels);
    within("in_channels", inChannels, MAX_CHANNELS);
    within("out_channels", outChannels, MAX_CHANNELS);
    within("the number of block_out_channels", blockOutChannels.size(), MAX_LEVELS);
    within("layers_per_block", layersPerBlock, MAX_LAYERS);
    within("latent_channels", latentChannels, MAX_CHANNELS);
    within("embed_dim", embedDim, MAX_CHANNELS);
    within("norm_num_groups", normNumGroups, MAX_CHANNELS);
    within("sample_size", sampleSize, 1 << 16);
    for (int channels : blockOutChannels) {
      within("a width in block_out_channels", channels, MAX_CHANNELS);
      if (channels % normNumGroups != 0) {
        throw new IllegalArgumentException(
            "block_out_channels holds "
                + channels
                + ", which is not a multiple of norm_num_groups "
                + normNumGroups);
      }
    }
    if (!(scalingFactor > 0 && scalingFactor < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException(
          "scaling_factor is " + scalingFactor + ", expected a positive number");
    }
  }

  private static void within(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException(name + " is " + value + ", expected 1 to " + most);
    }
  }

  /** A published configuration by name: {@code kl-f8}. */
  public static Optional<AutoencoderKLConfig> preset(String name) {
    return name.equalsIgnoreCase("kl-f8") ? Optional.of(KL_F8) : Optional.empty();
  }

  @Override
  public String model() {
    return "autoencoder-kl";
  }

  @Override
  public String name() {
    boolean published =
        blockOutChannels.equals(KL_F8.blockOutChannels)
            && layersPerBlock == KL_F8.layersPerBlock
            && latentChannels == KL_F8.latentChannels;
    return published ? "kl-f8" : "KL autoencoder, widths " + blockOutChannels;
  }

  /** Number of resolutions. */
  public int levels() {
    return blockOutChannels.size();
  }

  /** Width of a level, 0 being the full resolution. */
  int width(int level) {
    return blockOutChannels.get(level);
  }

  /**
   * How many pixels of a picture a latent pixel stands for along each axis: {@code 2^(levels-1)}.
   */
  public int factor() {
    return 1 << (levels() - 1);
  }

  /** Every tensor by its key in LDM's code, in the order of its modules. */
  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new LinkedHashMap<String, Shape>();
    int last = levels() - 1;
    conv(keys, "encoder.conv_in", inChannels, width(0), 3);
    for (int level = 0; level <= last; level++) {
      var prefix = "encoder.down." + level;
      int before = width(Math.max(level - 1, 0));
      resnetBlocks(keys, prefix, layersPerBlock, before, width(level));
      if (level < last) {
        conv(keys, prefix + ".downsample.conv", width(level), width(level), 3);
      }
    }
    middle(keys, "encoder", width(last));
    norm(keys, "encoder.norm_out", width(last));
    conv(keys, "encoder.conv_out", width(last), 2 * latentChannels, 3);
    conv(keys, "decoder.conv_in", latentChannels, width(last), 3);
    middle(keys, "decoder", width(last));
    for (int level = 0; level <= last; level++) {
      var prefix = "decoder.up." + level;
      int before = width(Math.min(level + 1, last));
      resnetBlocks(keys, prefix, layersPerBlock + 1, before, width(level));
      if (level > 0) {
        conv(keys, prefix + ".upsample.conv", width(level), width(level), 3);
      }
    }
    norm(keys, "decoder.norm_out", width(0));
    conv(keys, "decoder.conv_out", width(0), outChannels, 3);
    conv(keys, "quant_conv", 2 * latentChannels, 2 * embedDim, 1);
    conv(keys, "post_quant_conv", embedDim, latentChannels, 1);
    return keys;
  }

  private static void middle(SequencedMap<String, Shape> keys, String prefix, int c) {
    resnetBlock(keys, prefix + ".mid.block_1", c, c);
    norm(keys, prefix + ".mid.attn_1.norm", c);
    for (var part : List.of("q", "k", "v", "proj_out")) {
      conv(keys, prefix + ".mid.attn_1." + part, c, c, 1);
    }
    resnetBlock(keys, prefix + ".mid.block_2", c, c);
  }

  private static void resnetBlocks(
      SequencedMap<String, Shape> keys, String prefix, int count, int in, int out) {
    for (int i = 0; i < count; i++) {
      resnetBlock(keys, prefix + ".block." + i, i == 0 ? in : out, out);
    }
  }

  private static void resnetBlock(
      SequencedMap<String, Shape> keys, String prefix, int in, int out) {
    norm(keys, prefix + ".norm1", in);
    conv(keys, prefix + ".conv1", in, out, 3);
    norm(keys, prefix + ".norm2", out);
    conv(keys, prefix + ".conv2", out, out, 3);
    if (in != out) {
      conv(keys, prefix + ".nin_shortcut", in, out, 1);
    }
  }

  private static void norm(SequencedMap<String, Shape> keys, String prefix, int c) {
    keys.put(prefix + ".weight", Shape.of(c));
    keys.put(prefix + ".bias", Shape.of(c));
  }

  private static void conv(
      SequencedMap<String, Shape> keys, String prefix, int in, int out, int size) {
    keys.put(prefix + ".weight", Shape.of(out, in, size, size));
    keys.put(prefix + ".bias", Shape.of(out));
  }

  /** Multiply-adds of decoding pictures of {@link #sampleSize}, attention included. */
  @Override
  public long multiplyAdds(int batch) {
    long latent = Math.max(1, sampleSize / factor());
    long sum = 2 * latent * latent * latent * latent * width(levels() - 1);
    for (var entry : stateDict().entrySet()) {
      var key = entry.getKey();
      boolean decodes = key.startsWith("decoder.") || key.startsWith("post_quant_conv.");
      if (decodes && entry.getValue().rank() == 4) {
        long side = latent << (levels() - 1 - level(key));
        sum += entry.getValue().size() * side * side;
      }
    }
    return batch * sum;
  }

  /** The level at whose resolution a convolution of the decoder computes. */
  private int level(String key) {
    var parts = key.split("\\.");
    return switch (parts[1]) {
      case "up" -> Integer.parseInt(parts[2]) - (parts[3].equals("upsample") ? 1 : 0);
      case "conv_out" -> 0;
      default -> levels() - 1;
    };
  }
}
