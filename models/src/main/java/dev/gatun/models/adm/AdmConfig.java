package dev.gatun.models.adm;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/**
 * The constructor arguments of ADM's UNet.
 *
 * @param imageSize height and width of the pictures; any other multiple of {@link
 *     Backbone#reduction} works too
 * @param inChannels channels of the noisy pictures
 * @param outChannels as many, or twice as many where the variance is learned
 * @param numClasses number of classes, or 0 without labels; there is no label for "none"
 * @param superRes whether the network enlarges: it sees, beside the noisy picture, a small one
 *     brought to its size
 * @param backbone what its blocks are
 */
public record AdmConfig(
    int imageSize,
    int inChannels,
    int outChannels,
    int numClasses,
    boolean superRes,
    Backbone backbone)
    implements DiffusionConfig {

  public AdmConfig {
    backbone.requireSize(imageSize);
    Backbone.between("in_channels", inChannels, 1, 1 << 10);
    Backbone.between("num_classes", numClasses, 0, 1 << 20);
    if (outChannels != inChannels && outChannels != 2 * inChannels) {
      throw new IllegalArgumentException(
          "out_channels is %d, expected %d, or %d with a learned variance"
              .formatted(outChannels, inChannels, 2 * inChannels));
    }
  }

  @Override
  public String model() {
    return superRes ? "adm-superres" : "adm-unet";
  }

  @Override
  public String name() {
    return Presets.UNETS
        .name(this::differsOnlyInSize)
        .orElseGet(
            () ->
                "ADM %s, %d px, width %d, levels %s"
                    .formatted(
                        superRes ? "upsampler" : "UNet",
                        imageSize,
                        backbone.modelChannels(),
                        backbone.channelMult()));
  }

  private boolean differsOnlyInSize(AdmConfig other) {
    return backbone.equals(other.backbone)
        && inChannels == other.inChannels
        && outChannels == other.outChannels
        && numClasses == other.numClasses
        && superRes == other.superRes;
  }

  @Override
  public int inputSize() {
    return imageSize;
  }

  /** Channels of the small picture that the network sees beside the noisy one. */
  public int lowResChannels() {
    return superRes ? inChannels : 0;
  }

  /** Rows of the widest products: pixels of a picture. */
  @Override
  public int tokens() {
    return imageSize * imageSize;
  }

  @Override
  public Conditioning conditioning() {
    return numClasses > 0 ? Conditioning.LABEL : Conditioning.NONE;
  }

  @Override
  public int nullClass() {
    return -1;
  }

  /** The same network for pictures of another size; nothing in it depends on the size. */
  @Override
  public AdmConfig withInputSize(int size) {
    return new AdmConfig(size, inChannels, outChannels, numClasses, superRes, backbone);
  }

  /** The order of the blocks. */
  Plan plan() {
    return Plan.unet(backbone, inChannels + lowResChannels());
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = plan().stateDict(backbone, numClasses);
    Part.vectors(keys, "out.0", backbone.channels(0));
    Part.convolution(keys, "out.2", outChannels, backbone.channels(0), 3);
    return keys;
  }

  @Override
  public long multiplyAdds(int batch) {
    long head = (long) tokens() * 9 * backbone.channels(0) * outChannels;
    return batch * (plan().multiplyAdds(backbone, imageSize, imageSize) + head);
  }
}
