package dev.gatun.models.uvit;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The constructor arguments of U-ViT.
 *
 * @param inputSize height and width of the input, in pixels or latent pixels ({@code img_size})
 * @param patchSize side of a patch
 * @param inChannels channels of the input and of the output ({@code in_chans})
 * @param embedDim width D of the tokens
 * @param depth number of blocks without the one in the middle: half of them go down, half up
 * @param numHeads heads of each attention
 * @param mlpRatio hidden width of the MLP in units of D
 * @param qkvBias whether q, k and v have a bias
 * @param mlpTimeEmbed whether the time goes through an MLP before it is a token
 * @param labels rows of the label table ({@code num_classes}); 0 for none
 * @param nullClass the label that means "no class": the last row, or -1 where there is none
 * @param clipDim width of the text's hidden states; 0 without text
 * @param clipTokens length of the text ({@code num_clip_token}); 0 without text
 * @param conv whether a 3×3 convolution follows at the end
 * @param trainedSize the input size that the stored position embedding is for; where it is not
 *     {@code inputSize}, the embedding is interpolated when the network is loaded
 */
public record UViTConfig(
    int inputSize,
    int patchSize,
    int inChannels,
    int embedDim,
    int depth,
    int numHeads,
    double mlpRatio,
    boolean qkvBias,
    boolean mlpTimeEmbed,
    int labels,
    int nullClass,
    int clipDim,
    int clipTokens,
    boolean conv,
    int trainedSize)
    implements DiffusionConfig {

  // More than these is a broken description rather than a model: the largest published is 28 deep
  // and 1152 wide.
  private static final int MAX_DEPTH = 1000;
  private static final int MAX_EXTENT = 1 << 16;
  private static final int MAX_PATCH = 1 << 20;

  public UViTConfig {
    within("img_size", inputSize, 1, MAX_EXTENT);
    within("patch_size", patchSize, 1, MAX_EXTENT);
    within("in_chans", inChannels, 1, MAX_EXTENT);
    within("embed_dim", embedDim, 1, MAX_EXTENT);
    within("depth", depth, 1, MAX_DEPTH);
    within("num_heads", numHeads, 1, MAX_EXTENT);
    within("num_classes", labels, 0, 1 << 24);
    within("clip_dim", clipDim, 0, MAX_EXTENT);
    within("num_clip_token", clipTokens, 0, MAX_EXTENT);
    within("the trained img_size", trainedSize, 1, MAX_EXTENT);
    if (!(mlpRatio > 0 && mlpRatio <= 64)) {
      throw new IllegalArgumentException(
          "mlp_ratio is " + mlpRatio + ", expected more than 0 and at most 64");
    }
    if (mlpRatio * embedDim < 1) {
      throw new IllegalArgumentException(
          "mlp_ratio " + mlpRatio + " leaves an MLP of embed_dim " + embedDim + " no width");
    }
    multiple("img_size", inputSize, "patch_size", patchSize);
    multiple("the trained img_size", trainedSize, "patch_size", patchSize);
    multiple("embed_dim", embedDim, "num_heads", numHeads);
    if ((clipDim == 0) != (clipTokens == 0) || (clipDim > 0 && labels > 0)) {
      throw new IllegalArgumentException(
          "num_classes %d, clip_dim %d and num_clip_token %d: a U-ViT takes labels, or text of both a width and a length, or neither"
              .formatted(labels, clipDim, clipTokens));
    }
    if (nullClass != -1 && nullClass != labels - 1) {
      throw new IllegalArgumentException(
          "null_class is %d, expected -1 for none or the last of num_classes %d"
              .formatted(nullClass, labels));
    }
    if ((long) patchSize * patchSize * inChannels > MAX_PATCH) {
      throw new IllegalArgumentException(
          "patch_size %d with in_chans %d makes a patch of more than %d numbers"
              .formatted(patchSize, inChannels, MAX_PATCH));
    }
    long most = Math.max(inputSize, trainedSize) / patchSize;
    if (most * most > MAX_EXTENT) {
      throw new IllegalArgumentException(
          "img_size %d with patch_size %d makes more than %d tokens"
              .formatted(Math.max(inputSize, trainedSize), patchSize, MAX_EXTENT));
    }
    long extras = 2L + clipTokens;
    if ((extras + most * most) * embedDim > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "%d tokens of embed_dim %d are more numbers than one sequence may have"
              .formatted(extras + most * most, embedDim));
    }
  }

  private static void within(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + " is " + value + ", expected " + least + " to " + most);
    }
  }

  private static void multiple(String name, int value, String of, int divisor) {
    if (value % divisor != 0) {
      throw new IllegalArgumentException(
          name + " " + value + " is not a multiple of " + of + " " + divisor);
    }
  }

  /**
   * A published configuration, by the name of the authors' config file ({@code
   * imagenet256_uvit_huge}) or, where only one has it, by size and patch ({@code U-ViT-H/2}); upper
   * and lower case are the same.
   */
  public static Optional<UViTConfig> preset(String name) {
    return UViTPresets.find(name);
  }

  @Override
  public String model() {
    return clipTokens > 0 ? "uvit-t2i" : "uvit";
  }

  @Override
  public String name() {
    return UViTPresets.name(this)
        .orElse("U-ViT, depth " + depth + ", width " + embedDim + ", patch " + patchSize);
  }

  @Override
  public int outChannels() {
    return inChannels;
  }

  @Override
  public Conditioning conditioning() {
    return clipTokens > 0 ? Conditioning.TEXT : labels > 0 ? Conditioning.LABEL : Conditioning.NONE;
  }

  @Override
  public int numClasses() {
    return nullClass < 0 ? labels : labels - 1;
  }

  /** Patches along one axis. */
  public int grid() {
    return inputSize / patchSize;
  }

  /** Patches along one axis of the pictures that it was trained on. */
  public int trainedGrid() {
    return trainedSize / patchSize;
  }

  /** Tokens before the patches: the time, and the label or the text. */
  public int extras() {
    return 1 + (labels > 0 ? 1 : clipTokens);
  }

  /** Number of tokens, E extras and L patches. */
  @Override
  public int tokens() {
    return extras() + grid() * grid();
  }

  /** Numbers in a patch. */
  public int patchWidth() {
    return patchSize * patchSize * inChannels;
  }

  /** Hidden width of each MLP, rounded down as in the authors' code. */
  public int mlpHidden() {
    return (int) (embedDim * mlpRatio);
  }

  /** Blocks on the way down, and on the way up. */
  public int half() {
    return depth / 2;
  }

  @Override
  public UViTConfig withInputSize(int size) {
    return new UViTConfig(
        size,
        patchSize,
        inChannels,
        embedDim,
        depth,
        numHeads,
        mlpRatio,
        qkvBias,
        mlpTimeEmbed,
        labels,
        nullClass,
        clipDim,
        clipTokens,
        conv,
        trainedSize);
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new LinkedHashMap<String, Shape>();
    int d = embedDim;
    keys.put("pos_embed", Shape.of(1, extras() + trainedGrid() * trainedGrid(), d));
    keys.put("patch_embed.proj.weight", Shape.of(d, inChannels, patchSize, patchSize));
    keys.put("patch_embed.proj.bias", Shape.of(d));
    if (mlpTimeEmbed) {
      linear(keys, "time_embed.0", 4 * d, d);
      linear(keys, "time_embed.2", d, 4 * d);
    }
    if (labels > 0) {
      keys.put("label_emb.weight", Shape.of(labels, d));
    }
    if (clipTokens > 0) {
      linear(keys, "context_embed", d, clipDim);
    }
    for (int i = 0; i < half(); i++) {
      block(keys, "in_blocks." + i, false);
    }
    block(keys, "mid_block", false);
    for (int i = 0; i < half(); i++) {
      block(keys, "out_blocks." + i, true);
    }
    norm(keys, "norm");
    linear(keys, "decoder_pred", patchWidth(), d);
    if (conv) {
      keys.put("final_layer.weight", Shape.of(inChannels, inChannels, 3, 3));
      keys.put("final_layer.bias", Shape.of(inChannels));
    }
    return keys;
  }

  private void block(SequencedMap<String, Shape> keys, String prefix, boolean skip) {
    int d = embedDim;
    norm(keys, prefix + ".norm1");
    keys.put(prefix + ".attn.qkv.weight", Shape.of(3 * d, d));
    if (qkvBias) {
      keys.put(prefix + ".attn.qkv.bias", Shape.of(3 * d));
    }
    linear(keys, prefix + ".attn.proj", d, d);
    norm(keys, prefix + ".norm2");
    linear(keys, prefix + ".mlp.fc1", mlpHidden(), d);
    linear(keys, prefix + ".mlp.fc2", d, mlpHidden());
    if (skip) {
      linear(keys, prefix + ".skip_linear", d, 2 * d);
    }
  }

  private void norm(SequencedMap<String, Shape> keys, String prefix) {
    keys.put(prefix + ".weight", Shape.of(embedDim));
    keys.put(prefix + ".bias", Shape.of(embedDim));
  }

  private static void linear(SequencedMap<String, Shape> keys, String prefix, int out, int in) {
    keys.put(prefix + ".weight", Shape.of(out, in));
    keys.put(prefix + ".bias", Shape.of(out));
  }

  @Override
  public long multiplyAdds(int batch) {
    long d = embedDim;
    long t = tokens();
    long patches = t - extras();
    long perToken = (2L * half() + 1) * (4 * d * d + 2 * d * mlpHidden() + 2 * t * d);
    perToken += half() * 2 * d * d; // skip_linear
    long perPatch = 2 * patchWidth() * d + (conv ? 9L * patchWidth() * inChannels : 0);
    long perSample = (mlpTimeEmbed ? 8 * d * d : 0) + clipTokens * d * clipDim;
    return batch * (t * perToken + patches * perPatch + perSample);
  }
}
