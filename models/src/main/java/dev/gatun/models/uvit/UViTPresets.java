package dev.gatun.models.uvit;

import java.util.List;
import java.util.Optional;

/**
 * The ten published networks, by the names of the authors' config files.
 *
 * <p>Models of latents were trained with a null class, the last row of 1001; models of pixels have
 * none.
 *
 * @param name of the config file
 * @param size letter, patch and what else the paper calls it
 * @param config the network
 */
record UViTPresets(String name, String size, UViTConfig config) {
  private static final int CLASSES = 1000;
  private static final int CLIP_WIDTH = 768;
  private static final int CLIP_TOKENS = 77;

  private record Size(int width, int depth, int heads) {}

  private static final Size SMALL = new Size(512, 12, 8);
  private static final Size DEEP = new Size(512, 16, 8);
  private static final Size MID = new Size(768, 16, 12);
  private static final Size LARGE = new Size(1024, 20, 16);
  private static final Size HUGE = new Size(1152, 28, 16);

  private static final List<UViTPresets> ALL =
      List.of(
          pixels("cifar10_uvit_small", "S/2", 32, 2, SMALL, 0),
          pixels("celeba64_uvit_small", "S/4", 64, 4, SMALL, 0),
          pixels("imagenet64_uvit_mid", "M/4", 64, 4, MID, CLASSES),
          pixels("imagenet64_uvit_large", "L/4", 64, 4, LARGE, CLASSES),
          latents("imagenet256_uvit_large", "L/2", 32, 2, LARGE, true),
          latents("imagenet256_uvit_huge", "H/2", 32, 2, HUGE, false),
          latents("imagenet512_uvit_large", "L/4", 64, 4, LARGE, true),
          latents("imagenet512_uvit_huge", "H/4", 64, 4, HUGE, false),
          text("mscoco_uvit_small", "S/2", SMALL),
          text("mscoco_uvit_small_deep", "S/2-Deep", DEEP));

  private static UViTPresets pixels(
      String name, String size, int side, int patch, Size s, int labels) {
    return new UViTPresets(name, size, config(side, patch, 3, s, labels, -1, 0, 0, true));
  }

  private static UViTPresets latents(
      String name, String size, int side, int patch, Size s, boolean conv) {
    return new UViTPresets(name, size, config(side, patch, 4, s, CLASSES + 1, CLASSES, 0, 0, conv));
  }

  private static UViTPresets text(String name, String size, Size s) {
    return new UViTPresets(name, size, config(32, 2, 4, s, 0, -1, CLIP_WIDTH, CLIP_TOKENS, true));
  }

  private static UViTConfig config(
      int side,
      int patch,
      int channels,
      Size s,
      int labels,
      int nullClass,
      int clipDim,
      int clipTokens,
      boolean conv) {
    return new UViTConfig(
        side,
        patch,
        channels,
        s.width,
        s.depth,
        s.heads,
        4,
        false,
        false,
        labels,
        nullClass,
        clipDim,
        clipTokens,
        conv,
        side);
  }

  /** The names of all of them. */
  static List<String> names() {
    return ALL.stream().map(UViTPresets::name).toList();
  }

  /** The network of that name, or the only one of that size. */
  static Optional<UViTConfig> find(String name) {
    var found =
        ALL.stream()
            .filter(
                p -> p.name.equalsIgnoreCase(name) || ("U-ViT-" + p.size).equalsIgnoreCase(name))
            .toList();
    return found.size() == 1 ? Optional.of(found.getFirst().config) : Optional.empty();
  }

  /** The published name of a network, at whatever input size it is run. */
  static Optional<String> name(UViTConfig config) {
    var trained = config.withInputSize(config.trainedSize());
    return ALL.stream().filter(p -> p.config.equals(trained)).map(UViTPresets::name).findFirst();
  }

  /**
   * The number of heads of the published size with this width and depth, which the shapes do not
   * show; 0 if there is none.
   */
  static int heads(int width, int depth) {
    return ALL.stream()
        .map(UViTPresets::config)
        .filter(c -> c.embedDim() == width && c.depth() == depth)
        .mapToInt(UViTConfig::numHeads)
        .findFirst()
        .orElse(0);
  }
}
