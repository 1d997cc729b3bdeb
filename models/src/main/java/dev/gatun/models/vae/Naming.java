package dev.gatun.models.vae;

import java.util.regex.Pattern;

/** Whose names a file gives to an autoencoder's tensors. */
enum Naming {
  /** LDM's. */
  ORIGINAL("original", "q", "k", "v", "proj_out"),
  /** Those of Hugging Face diffusers. */
  DIFFUSERS("diffusers", "to_q", "to_k", "to_v", "to_out.0"),
  /** Those of early diffusers, in which the published {@code sd-vae-ft-*} are stored. */
  DIFFUSERS_OLD("diffusers, old names", "query", "key", "value", "proj_attn");

  private static final Pattern UP = Pattern.compile("decoder\\.up\\.(\\d+)\\.(.+)");
  private static final String ATTENTION = ".mid.attn_1.";

  final String title;
  private final String q;
  private final String k;
  private final String v;
  private final String out;

  Naming(String title, String q, String k, String v, String out) {
    this.title = title;
    this.q = q;
    this.k = k;
    this.v = v;
    this.out = out;
  }

  /**
   * The name of a tensor.
   *
   * @param original LDM's name
   * @param levels number of resolutions: LDM counts those of the decoder by resolution, diffusers
   *     in the order in which they run
   */
  String of(String original, int levels) {
    if (this == ORIGINAL) {
      return original;
    }
    var key = original;
    var up = UP.matcher(key);
    if (up.matches()) {
      key = "decoder.up_blocks." + (levels - 1 - Integer.parseInt(up.group(1))) + "." + up.group(2);
    }
    var attention = ".mid_block.attentions.0.";
    return key.replace("encoder.down.", "encoder.down_blocks.")
        .replace(".block.", ".resnets.")
        .replace(".downsample.", ".downsamplers.0.")
        .replace(".upsample.", ".upsamplers.0.")
        .replace(".nin_shortcut.", ".conv_shortcut.")
        .replace(".norm_out.", ".conv_norm_out.")
        .replace(".mid.block_1.", ".mid_block.resnets.0.")
        .replace(".mid.block_2.", ".mid_block.resnets.1.")
        .replace(ATTENTION + "norm.", attention + "group_norm.")
        .replace(ATTENTION + "q.", attention + q + ".")
        .replace(ATTENTION + "k.", attention + k + ".")
        .replace(ATTENTION + "v.", attention + v + ".")
        .replace(ATTENTION + "proj_out.", attention + out + ".");
  }

  /** Whether a tensor is stored as a matrix though it is a 1×1 convolution for LDM. */
  boolean storesAsMatrix(String original) {
    return this != ORIGINAL
        && original.contains(ATTENTION)
        && original.endsWith(".weight")
        && !original.endsWith(".norm.weight");
  }
}
