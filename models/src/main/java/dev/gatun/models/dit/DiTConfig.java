package dev.gatun.models.dit;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * The constructor arguments of DiT.
 *
 * @param inputSize height and width of the input, in latent pixels
 * @param patchSize side of a patch
 * @param inChannels channels of the input
 * @param hiddenSize width D of the tokens
 * @param depth number of blocks
 * @param numHeads heads of each attention
 * @param mlpRatio hidden width of the MLP in units of D
 * @param numClasses number of classes
 * @param nullRow whether the label table has a last row for "no class", as every model trained with
 *     label dropout has
 * @param learnSigma whether the output has a second half of channels for the variance
 * @param trainedSize the input size that it was trained with; its positions are interpolated for
 *     another one
 */
public record DiTConfig(
    int inputSize,
    int patchSize,
    int inChannels,
    int hiddenSize,
    int depth,
    int numHeads,
    double mlpRatio,
    int numClasses,
    boolean nullRow,
    boolean learnSigma,
    int trainedSize)
    implements DiffusionConfig {

  /** Width of the sinusoidal part of the timestep embedding. */
  public static final int FREQUENCIES = 256;

  // More than these is a broken description rather than a model: the largest published is 28 deep
  // and 1152 wide.
  private static final int MAX_DEPTH = 1000;
  private static final int MAX_EXTENT = 1 << 16;
  private static final int MAX_PATCH = 1 << 20;

  private record Size(String name, int depth, int hiddenSize, int numHeads) {}

  /** Table 1 of the paper. */
  private static final List<Size> SIZES =
      List.of(
          new Size("DiT-S", 12, 384, 6),
          new Size("DiT-B", 12, 768, 12),
          new Size("DiT-L", 24, 1024, 16),
          new Size("DiT-XL", 28, 1152, 16));

  public DiTConfig {
    positive("input_size", inputSize, MAX_EXTENT);
    positive("the trained input_size", trainedSize, MAX_EXTENT);
    positive("patch_size", patchSize, MAX_EXTENT);
    positive("in_channels", inChannels, MAX_EXTENT);
    positive("hidden_size", hiddenSize, MAX_EXTENT);
    positive("depth", depth, MAX_DEPTH);
    positive("num_heads", numHeads, MAX_EXTENT);
    positive("num_classes", numClasses, 1 << 24);
    if (!(mlpRatio > 0 && mlpRatio <= 64)) {
      throw new IllegalArgumentException(
          "mlp_ratio is " + mlpRatio + ", expected more than 0 and at most 64");
    }
    requireGrid(inputSize, patchSize);
    requireGrid(trainedSize, patchSize);
    if (hiddenSize % numHeads != 0) {
      throw new IllegalArgumentException(
          "hidden_size " + hiddenSize + " is not a multiple of num_heads " + numHeads);
    }
    if (hiddenSize % 4 != 0) {
      throw new IllegalArgumentException(
          "hidden_size " + hiddenSize + " is not a multiple of 4, as its position embedding needs");
    }
    if (mlpRatio * hiddenSize < 1) {
      throw new IllegalArgumentException(
          "mlp_ratio " + mlpRatio + " leaves an MLP of hidden_size " + hiddenSize + " no width");
    }
    if (2L * patchSize * patchSize * inChannels > MAX_PATCH) {
      throw new IllegalArgumentException(
          "patch_size "
              + patchSize
              + " with in_channels "
              + inChannels
              + " makes a patch of more than "
              + MAX_PATCH / 2
              + " numbers");
    }
  }

  /** A network for the size that it was trained with. */
  public DiTConfig(
      int inputSize,
      int patchSize,
      int inChannels,
      int hiddenSize,
      int depth,
      int numHeads,
      double mlpRatio,
      int numClasses,
      boolean nullRow,
      boolean learnSigma) {
    this(
        inputSize,
        patchSize,
        inChannels,
        hiddenSize,
        depth,
        numHeads,
        mlpRatio,
        numClasses,
        nullRow,
        learnSigma,
        inputSize);
  }

  private static void requireGrid(int size, int patch) {
    if (size % patch != 0) {
      throw new IllegalArgumentException(
          "input_size " + size + " is not a multiple of patch_size " + patch);
    }
    if ((long) size / patch * (size / patch) > MAX_EXTENT) {
      throw new IllegalArgumentException(
          "input_size %d with patch_size %d makes more than %d tokens"
              .formatted(size, patch, MAX_EXTENT));
    }
  }

  private static void positive(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException(name + " is " + value + ", expected 1 to " + most);
    }
  }

  /** The names of the sizes of the paper, and of the two that were released. */
  static List<String> published() {
    return Stream.concat(
            SIZES.stream().flatMap(s -> Stream.of(2, 4, 8).map(patch -> s.name + "/" + patch)),
            Stream.of("DiT-XL/2-512"))
        .toList();
  }

  /**
   * A published configuration by name: {@code DiT-XL/2} and the others of the paper, for 256 px; a
   * suffix gives another picture size, as in {@code DiT-XL/2-512}.
   */
  public static Optional<DiTConfig> preset(String name) {
    var parts = name.toUpperCase(Locale.ROOT).split("/", 2);
    if (parts.length != 2 || !parts[1].matches("[248](-[0-9]{2,4})?")) {
      return Optional.empty();
    }
    var suffix = parts[1].split("-");
    int pixels = suffix.length == 2 ? Integer.parseInt(suffix[1]) : 256;
    int patch = Integer.parseInt(suffix[0]);
    if (pixels % (8 * patch) != 0) {
      return Optional.empty();
    }
    return SIZES.stream()
        .filter(size -> size.name.toUpperCase(Locale.ROOT).equals(parts[0]))
        .findFirst()
        .map(
            s ->
                new DiTConfig(
                    pixels / 8, patch, 4, s.hiddenSize, s.depth, s.numHeads, 4, 1000, true, true));
  }

  /**
   * The number of heads of the published size with this width, which the shapes do not show; 0 if
   * there is none.
   */
  static int publishedHeads(int hiddenSize, int depth) {
    return SIZES.stream()
        .filter(s -> s.hiddenSize == hiddenSize && s.depth == depth)
        .mapToInt(Size::numHeads)
        .findFirst()
        .orElse(0);
  }

  @Override
  public String model() {
    return "dit";
  }

  @Override
  public String name() {
    return SIZES.stream()
        .filter(s -> s.hiddenSize == hiddenSize && s.depth == depth && s.numHeads == numHeads)
        .map(s -> s.name + "/" + patchSize)
        .findFirst()
        .orElse("DiT, depth " + depth + ", width " + hiddenSize + ", patch " + patchSize);
  }

  /** Patches along one side. */
  public int grid() {
    return inputSize / patchSize;
  }

  /** Patches along one side of the size that it was trained with. */
  public int trainedGrid() {
    return trainedSize / patchSize;
  }

  /** Number of tokens T. */
  @Override
  public int tokens() {
    return grid() * grid();
  }

  /** Channels of the output: noise, and variance where it is learned. */
  @Override
  public int outChannels() {
    return learnSigma ? 2 * inChannels : inChannels;
  }

  /** Hidden width of the MLP, rounded down as in the authors' code. */
  public int mlpHidden() {
    return (int) (hiddenSize * mlpRatio);
  }

  /** Rows of the label table. */
  public int labels() {
    return nullRow ? numClasses + 1 : numClasses;
  }

  @Override
  public Conditioning conditioning() {
    return Conditioning.LABEL;
  }

  @Override
  public int nullClass() {
    return nullRow ? numClasses : -1;
  }

  @Override
  public DiTConfig withInputSize(int size) {
    return new DiTConfig(
        size,
        patchSize,
        inChannels,
        hiddenSize,
        depth,
        numHeads,
        mlpRatio,
        numClasses,
        nullRow,
        learnSigma,
        trainedSize);
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new LinkedHashMap<String, Shape>();
    int d = hiddenSize;
    keys.put("pos_embed", Shape.of(1, trainedGrid() * trainedGrid(), d));
    keys.put("x_embedder.proj.weight", Shape.of(d, inChannels, patchSize, patchSize));
    keys.put("x_embedder.proj.bias", Shape.of(d));
    linear(keys, "t_embedder.mlp.0", d, FREQUENCIES);
    linear(keys, "t_embedder.mlp.2", d, d);
    keys.put("y_embedder.embedding_table.weight", Shape.of(labels(), d));
    for (int i = 0; i < depth; i++) {
      linear(keys, "blocks." + i + ".attn.qkv", 3 * d, d);
      linear(keys, "blocks." + i + ".attn.proj", d, d);
      linear(keys, "blocks." + i + ".mlp.fc1", mlpHidden(), d);
      linear(keys, "blocks." + i + ".mlp.fc2", d, mlpHidden());
      linear(keys, "blocks." + i + ".adaLN_modulation.1", 6 * d, d);
    }
    linear(keys, "final_layer.linear", patchSize * patchSize * outChannels(), d);
    linear(keys, "final_layer.adaLN_modulation.1", 2 * d, d);
    return keys;
  }

  private static void linear(SequencedMap<String, Shape> keys, String prefix, int out, int in) {
    keys.put(prefix + ".weight", Shape.of(out, in));
    keys.put(prefix + ".bias", Shape.of(out));
  }

  @Override
  public long multiplyAdds(int batch) {
    long d = hiddenSize;
    long t = tokens();
    long patchWidth = (long) patchSize * patchSize;
    long perToken = depth * (4 * d * d + 2 * d * mlpHidden() + 2 * t * d);
    perToken += patchWidth * inChannels * d + patchWidth * outChannels() * d;
    long perSample = FREQUENCIES * d + d * d + depth * 6 * d * d + 2 * d * d;
    return batch * (t * perToken + perSample);
  }
}
