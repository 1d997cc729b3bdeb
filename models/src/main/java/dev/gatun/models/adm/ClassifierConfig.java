package dev.gatun.models.adm;

import dev.gatun.models.NetworkConfig;
import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/**
 * The constructor arguments of ADM's classifier of noisy pictures.
 *
 * @param imageSize height and width of the pictures
 * @param inChannels channels of the pictures
 * @param numClasses number of classes ({@code out_channels} of the authors' code)
 * @param pool how the logits come of the feature maps
 * @param backbone what its blocks are
 */
public record ClassifierConfig(
    int imageSize, int inChannels, int numClasses, Pooling pool, Backbone backbone)
    implements NetworkConfig {

  public ClassifierConfig {
    backbone.requireSize(imageSize);
    Backbone.between("in_channels", inChannels, 1, 1 << 10);
    Backbone.between("out_channels", numClasses, 1, 1 << 20);
    if (pool == Pooling.ATTENTION && backbone.numHeadChannels() == 0) {
      throw new IllegalArgumentException(
          "pool attention needs num_head_channels, from which its heads follow");
    }
  }

  @Override
  public String model() {
    return "adm-classifier";
  }

  @Override
  public String name() {
    return Presets.CLASSIFIERS
        .name(this::equals)
        .orElseGet(
            () ->
                "ADM classifier, %d px, width %d, levels %s"
                    .formatted(imageSize, backbone.modelChannels(), backbone.channelMult()));
  }

  /** The order of the blocks. */
  Plan plan() {
    return Plan.encoder(backbone, inChannels);
  }

  /** Positions of the innermost feature map. */
  int positions() {
    int side = imageSize / backbone.reduction();
    return side * side;
  }

  /** Channels of the results of all blocks together, which the spatial pools look at. */
  int features() {
    var plan = plan();
    return plan.input().stream().mapToInt(BlockPlan::out).sum() + plan.middle().out();
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = plan().stateDict(backbone, 0);
    int c = backbone.innermost();
    switch (pool) {
      case ATTENTION -> {
        Part.vectors(keys, "out.0", c);
        keys.put("out.2.positional_embedding", Shape.of(c, positions() + 1));
        Part.convolution1d(keys, "out.2.qkv_proj", 3 * c, c);
        Part.convolution1d(keys, "out.2.c_proj", numClasses, c);
      }
      case ADAPTIVE -> {
        Part.vectors(keys, "out.0", c);
        Part.convolution(keys, "out.3", numClasses, c, 1);
      }
      case SPATIAL -> {
        Part.linear(keys, "out.0", Pooling.HIDDEN, features());
        Part.linear(keys, "out.2", numClasses, Pooling.HIDDEN);
      }
      case SPATIAL_V2 -> {
        Part.linear(keys, "out.0", Pooling.HIDDEN, features());
        Part.vectors(keys, "out.1", Pooling.HIDDEN);
        Part.linear(keys, "out.3", numClasses, Pooling.HIDDEN);
      }
    }
    return keys;
  }

  @Override
  public long multiplyAdds(int batch) {
    long c = backbone.innermost();
    long tokens = positions() + 1;
    long head =
        switch (pool) {
          case ATTENTION -> tokens * 3 * c * c + 2 * tokens * c + c * numClasses;
          case ADAPTIVE -> c * numClasses;
          case SPATIAL, SPATIAL_V2 -> (long) Pooling.HIDDEN * (features() + numClasses);
        };
    return batch * (plan().multiplyAdds(backbone, imageSize, imageSize) + head);
  }
}
