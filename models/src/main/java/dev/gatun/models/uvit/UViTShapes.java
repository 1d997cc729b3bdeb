package dev.gatun.models.uvit;

import dev.gatun.models.KeyShapes;
import dev.gatun.models.ParameterException;
import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/** Reads the configuration of a U-ViT off the keys and shapes of its state dict. */
final class UViTShapes {
  /** The length of every text that CLIP encodes; shapes show only its sum with the patches. */
  private static final int CLIP_TOKENS = 77;

  private final KeyShapes keys;

  private UViTShapes(KeyShapes keys) {
    this.keys = keys;
  }

  /**
   * The configuration.
   *
   * @throws ParameterException if a key is missing or the shapes do not tell
   */
  static UViTConfig config(SequencedMap<String, Shape> keys) {
    return new UViTShapes(new KeyShapes(keys, "a U-ViT")).config();
  }

  private UViTConfig config() {
    var kernel = keys.shape("patch_embed.proj.weight", 4);
    int d = kernel.dim(0);
    int channels = kernel.dim(1);
    int patch = kernel.dim(2);
    int depth = 2 * keys.blocks("in_blocks.");
    int labels = keys.any("label_emb.") ? keys.shape("label_emb.weight", 2).dim(0) : 0;
    int clipDim = keys.any("context_embed.") ? keys.shape("context_embed.weight", 2).dim(1) : 0;
    int clipTokens = clipDim > 0 ? CLIP_TOKENS : 0;
    int extras = 1 + (labels > 0 ? 1 : clipTokens);
    int side = (int) Math.min(Integer.MAX_VALUE, (long) grid(extras, clipDim > 0) * patch);
    int heads = UViTPresets.heads(d, depth);
    if (heads == 0) {
      throw new ParameterException(
          "a U-ViT of depth %d and width %d is no published size, and the shapes do not tell its heads; give --config with a file such as %s"
              .formatted(depth, d, example(side, patch, channels, d, depth, labels, clipDim)));
    }
    int hidden = keys.shape("mid_block.mlp.fc1.weight", 2).dim(0);
    double ratio = (double) hidden / d;
    if ((int) (d * ratio) < hidden) {
      ratio = Math.nextUp(ratio); // the configuration rounds down
    }
    return new UViTConfig(
        side,
        patch,
        channels,
        d,
        depth,
        heads,
        ratio,
        keys.keys().keySet().stream().anyMatch(key -> key.endsWith(".attn.qkv.bias")),
        keys.any("time_embed."),
        labels,
        UViTFamily.nullClass(labels, channels),
        clipDim,
        clipTokens,
        keys.any("final_layer."),
        side);
  }

  /** Patches along one axis. */
  private int grid(int extras, boolean text) {
    int tokens = keys.shape("pos_embed", 3).dim(1);
    int grid = squareRoot(tokens - extras);
    if (grid > 0) {
      return grid;
    }
    if (extras == 1 && squareRoot(tokens - 2) > 0) {
      throw new ParameterException(
          "tensor label_emb.weight is missing; pos_embed has %d tokens, one of them for a label"
              .formatted(tokens));
    }
    throw new ParameterException(
        "tensor pos_embed has %d tokens, which are not %d and a square grid; give --config with img_size%s"
            .formatted(tokens, extras, text ? " and num_clip_token" : ""));
  }

  private static int squareRoot(int square) {
    int root = (int) Math.round(Math.sqrt(Math.max(0, square)));
    return (long) root * root == square ? root : 0;
  }

  private static String example(
      int side, int patch, int channels, int d, int depth, int labels, int clipDim) {
    var what =
        clipDim > 0
            ? "\"clip_dim\": %d, \"num_clip_token\": %d".formatted(clipDim, CLIP_TOKENS)
            : "\"num_classes\": %d".formatted(labels > 0 ? labels : -1);
    return "{\"model\": \"%s\", \"img_size\": %d, \"patch_size\": %d, \"in_chans\": %d, \"embed_dim\": %d, \"depth\": %d, \"num_heads\": …, %s}"
        .formatted(clipDim > 0 ? "uvit-t2i" : "uvit", side, patch, channels, d, depth, what);
  }
}
