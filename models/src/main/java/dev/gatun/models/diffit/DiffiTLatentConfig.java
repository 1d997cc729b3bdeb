package dev.gatun.models.diffit;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.runtime.AttentionSpec.Windows;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * The constructor arguments of the latent DiffiT.
 *
 * @param inputSize height and width of the input, in latent pixels
 * @param patchSize side of a patch
 * @param inChannels channels of the input
 * @param hiddenSize width D of the tokens
 * @param depth number of blocks: 28 in the released models, 30 in the paper
 * @param numHeads heads of each attention
 * @param mlpRatio hidden width of the MLP in units of D
 * @param numClasses number of classes
 * @param nullRow whether the label table has a last row for "no class", as every model trained with
 *     label dropout has
 * @param learnSigma whether the output has a second half of channels for the variance
 * @param trainedSize the input size that it was trained with; its positions and relative position
 *     biases are interpolated for another one
 */
public record DiffiTLatentConfig(
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

  private static final int MAX_PATCH = 1 << 20;

  public DiffiTLatentConfig {
    Ranges.require("input_size", inputSize, 1, Ranges.MAX_EXTENT);
    Ranges.require("the trained input_size", trainedSize, 1, Ranges.MAX_EXTENT);
    Ranges.require("patch_size", patchSize, 1, Ranges.MAX_EXTENT);
    Ranges.require("in_channels", inChannels, 1, Ranges.MAX_EXTENT);
    Ranges.require("hidden_size", hiddenSize, 1, Ranges.MAX_EXTENT);
    Ranges.require("depth", depth, 1, Ranges.MAX_DEPTH);
    Ranges.require("num_heads", numHeads, 1, Ranges.MAX_EXTENT);
    Ranges.require("num_classes", numClasses, 1, Ranges.MAX_CLASSES);
    Ranges.requireMlp(mlpRatio, hiddenSize);
    if (hiddenSize % numHeads != 0) {
      throw new IllegalArgumentException(
          "hidden_size " + hiddenSize + " is not a multiple of num_heads " + numHeads);
    }
    if (hiddenSize % 4 != 0) {
      throw new IllegalArgumentException(
          "hidden_size " + hiddenSize + " is not a multiple of 4, as its position embedding needs");
    }
    if (2L * patchSize * patchSize * inChannels > MAX_PATCH) {
      throw new IllegalArgumentException(
          "patch_size %d with in_channels %d makes a patch of more than %d numbers"
              .formatted(patchSize, inChannels, MAX_PATCH / 2));
    }
    requireGrid(inputSize, patchSize);
    requireGrid(trainedSize, patchSize);
  }

  private static void requireGrid(int size, int patch) {
    if (size % patch != 0) {
      throw new IllegalArgumentException(
          "input_size " + size + " is not a multiple of patch_size " + patch);
    }
    if ((long) size / patch * (size / patch) > Ranges.MAX_EXTENT) {
      throw new IllegalArgumentException(
          "input_size %d with patch_size %d makes more than %d tokens"
              .formatted(size, patch, Ranges.MAX_EXTENT));
    }
  }

  /** The released models, {@code DiffiT-256} and {@code DiffiT-512}, by name. */
  public static Optional<DiffiTLatentConfig> preset(String name) {
    return switch (name.toUpperCase(Locale.ROOT)) {
      case "DIFFIT-256" -> Optional.of(released(32));
      case "DIFFIT-512" -> Optional.of(released(64));
      default -> Optional.empty();
    };
  }

  private static DiffiTLatentConfig released(int size) {
    return new DiffiTLatentConfig(size, 2, 4, 1152, 28, 16, 4, 1000, true, true, size);
  }

  @Override
  public String model() {
    return "diffit-latent";
  }

  @Override
  public String name() {
    for (var preset : List.of("DiffiT-256", "DiffiT-512")) {
      if (withInputSize(trainedSize).equals(preset(preset).orElseThrow())) {
        return preset;
      }
    }
    return "DiffiT, depth " + depth + ", width " + hiddenSize + ", patch " + patchSize;
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

  /** What a token sees: all of the grid. */
  Windows windows() {
    return new Windows(grid(), grid(), grid());
  }

  /** Channels of the output: noise, and variance where it is learned. */
  @Override
  public int outChannels() {
    return learnSigma ? 2 * inChannels : inChannels;
  }

  /** Numbers that make a patch of the output. */
  int outPatch() {
    return patchSize * patchSize * outChannels();
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
  public DiffiTLatentConfig withInputSize(int size) {
    return new DiffiTLatentConfig(
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

  /** The parameters; files may hold index buffers besides, see {@link DiffiTFamily}. */
  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new Keys();
    int d = hiddenSize;
    keys.tensor("pos_embed", 1, trainedGrid() * trainedGrid(), d);
    keys.conv("x_embedder.proj", d, inChannels, patchSize);
    keys.linear("t_embedder.mlp.0", d, FREQUENCIES);
    keys.linear("t_embedder.mlp.2", d, d);
    keys.tensor("y_embedder.embedding_table.weight", labels(), d);
    for (int i = 0; i < depth; i++) {
      keys.attention("blocks." + i + ".attn", d, d, numHeads, trainedGrid());
      keys.mlp("blocks." + i + ".mlp", d, mlpHidden());
    }
    keys.linear("final_layer.linear", outPatch(), d);
    return keys.shapes();
  }

  @Override
  public long multiplyAdds(int batch) {
    long d = hiddenSize;
    long t = tokens();
    long patch = (long) patchSize * patchSize;
    long perToken = depth * (4 * d * d + 2 * d * mlpHidden() + 2 * t * d);
    perToken += patch * inChannels * d + outPatch() * d;
    long perSample = FREQUENCIES * d + d * d + depth * 3 * d * d;
    return batch * (t * perToken + perSample);
  }
}
