package dev.gatun.models.adm;

import java.util.List;

/**
 * The constructor arguments that ADM's UNet and its classifier share: how wide and deep the levels
 * are, and what their blocks are made of.
 *
 * @param modelChannels width of a level of multiplier 1
 * @param channelMult width of each level in units of {@code modelChannels}, from full resolution
 *     down; each level halves height and width
 * @param numResBlocks residual blocks of a level (one more on the way up)
 * @param attentionResolutions where there is attention: by how much height and width are divided
 *     there
 * @param numHeads heads of each attention, unless {@code numHeadChannels} is given
 * @param numHeadChannels channels of a head; 0 for a fixed number of heads
 * @param useScaleShiftNorm whether time and class scale and shift the second normalisation of a
 *     residual block; else they are added before it
 * @param resblockUpdown whether residual blocks resample; else there are layers of their own
 * @param convResample whether those layers have a convolution
 * @param useNewAttentionOrder whether qkv is stored as (3, heads, size); else as (heads, 3, size)
 */
public record Backbone(
    int modelChannels,
    List<Double> channelMult,
    int numResBlocks,
    List<Integer> attentionResolutions,
    int numHeads,
    int numHeadChannels,
    boolean useScaleShiftNorm,
    boolean resblockUpdown,
    boolean convResample,
    boolean useNewAttentionOrder) {

  /** Groups of every normalisation; so widths are multiples of it. */
  static final int GROUPS = 32;

  /** Added to the variance in every normalisation. */
  static final float EPS = 1e-5f;

  // More than these is a broken description rather than a network: the largest published has seven
  // levels, four blocks in one, 1024 channels, and attention to 32 × 32 positions.
  private static final int MAX_LEVELS = 12;
  private static final int MAX_RES_BLOCKS = 16;
  private static final int MAX_WIDTH = 1 << 13;
  private static final int MAX_SIDE = 1 << 12;
  private static final int MAX_POSITIONS = 1 << 16;

  public Backbone {
    between("model_channels", modelChannels, 1, MAX_WIDTH);
    between("num_res_blocks", numResBlocks, 1, MAX_RES_BLOCKS);
    between("num_heads", numHeads, 1, MAX_WIDTH);
    between("num_head_channels", numHeadChannels, 0, MAX_WIDTH);
    channelMult = List.copyOf(channelMult);
    between("the number of levels in channel_mult", channelMult.size(), 1, MAX_LEVELS);
    attentionResolutions = attentionResolutions.stream().sorted().distinct().toList();
    for (int rate : attentionResolutions) {
      between("an entry of attention_resolutions", rate, 1, 1 << MAX_LEVELS);
    }
    for (double mult : channelMult) {
      double width = Math.floor(mult * modelChannels);
      if (!(width >= GROUPS && width <= MAX_WIDTH) || width % GROUPS != 0) {
        throw new IllegalArgumentException(
            "channel_mult %s with model_channels %d makes %d channels, expected a multiple of %d up to %d"
                .formatted(mult, modelChannels, (long) width, GROUPS, MAX_WIDTH));
      }
    }
    int rate = 1;
    for (int level = 0; level < channelMult.size(); level++, rate *= 2) {
      boolean attention = attentionResolutions.contains(rate) || level == channelMult.size() - 1;
      int width = (int) (channelMult.get(level) * modelChannels);
      int divisor = numHeadChannels > 0 ? numHeadChannels : numHeads;
      if (attention && width % divisor != 0) {
        throw new IllegalArgumentException(
            "level %d has %d channels, no multiple of %s %d"
                .formatted(
                    level,
                    width,
                    numHeadChannels > 0 ? "num_head_channels" : "num_heads",
                    divisor));
      }
    }
  }

  static void between(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + " is " + value + ", expected " + least + " to " + most);
    }
  }

  /** How many resolutions there are. */
  public int levels() {
    return channelMult.size();
  }

  /** Channels of a level, counted from 0 at full resolution. */
  public int channels(int level) {
    return (int) (channelMult.get(level) * modelChannels);
  }

  /** Channels of the innermost level. */
  int innermost() {
    return channels(levels() - 1);
  }

  /** By how much the innermost level divides height and width, whose multiples they must be. */
  public int reduction() {
    return 1 << (levels() - 1);
  }

  /** Width of the embedding of time and class. */
  public int embedding() {
    return 4 * modelChannels;
  }

  /** Heads of an attention over this many channels. */
  int heads(int channels) {
    return numHeadChannels > 0 ? channels / numHeadChannels : numHeads;
  }

  /** Whether there is attention where height and width are divided by this. */
  boolean attends(int rate) {
    return attentionResolutions.contains(rate);
  }

  /** Refuses a picture size that the levels cannot halve, or that is too large for attention. */
  void requireSize(int side) {
    between("image_size", side, 1, MAX_SIDE);
    if (side % reduction() != 0) {
      throw new IllegalArgumentException(
          "image_size is %d, expected a multiple of %d, as there are %d levels"
              .formatted(side, reduction(), levels()));
    }
    for (int rate = 1; rate <= reduction(); rate *= 2) {
      int positions = (side / rate) * (side / rate);
      if (positions > MAX_POSITIONS && (attends(rate) || rate == reduction())) {
        throw new IllegalArgumentException(
            "image_size %d has attention to %d positions where it is divided by %d, expected at most %d"
                .formatted(side, positions, rate, MAX_POSITIONS));
      }
    }
  }
}
