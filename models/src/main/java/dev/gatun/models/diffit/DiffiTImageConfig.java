package dev.gatun.models.diffit;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.runtime.AttentionSpec.Windows;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What a DiffiT of images is made of. Stage s has the side {@code inputSize / 2^s}.
 *
 * @param inputSize height and width of the images
 * @param inChannels channels of the images
 * @param outChannels as many, or twice as many where the variance is learned
 * @param dims channels of each stage
 * @param depths blocks of each stage, on the way down and on the way up
 * @param heads of each stage's attention
 * @param window side of the windows; a smaller stage is one window
 * @param numClasses number of classes; 0 for a network that is told nothing. The label table has
 *     one more row, for "no class"
 * @param timeDim width of the condition
 * @param frequencies width of the sinusoidal part of the timestep embedding
 * @param mlpRatio hidden width of the MLPs in units of a stage's channels
 * @param training how it was trained, which is what it takes for the time
 * @param trainedSize the input size that it was trained with: the windows stay as large as they
 *     were for it
 */
public record DiffiTImageConfig(
    int inputSize,
    int inChannels,
    int outChannels,
    List<Integer> dims,
    List<Integer> depths,
    List<Integer> heads,
    int window,
    int numClasses,
    int timeDim,
    int frequencies,
    double mlpRatio,
    Training training,
    int trainedSize)
    implements DiffusionConfig {

  /** What a network was trained to take for the time, and to predict. */
  public enum Training {
    /** Discrete diffusion: the step, {@code 0 … 999}; predicts the noise. */
    DDPM,
    /**
     * The preconditioning of EDM (Karras et al., 2022): {@code ln(σ)/4}; its output is combined
     * with its input to the image.
     */
    EDM
  }

  static final float GROUP_EPS = 1e-5f;

  /** More than these are a broken description. */
  static final int MAX_STAGES = 12;

  private static final int MAX_SIZE = 1 << 12;
  private static final int MAX_WINDOW = 256;

  public DiffiTImageConfig {
    dims = List.copyOf(dims);
    depths = List.copyOf(depths);
    heads = List.copyOf(heads);
    Ranges.require("img_size", inputSize, 1, MAX_SIZE);
    Ranges.require("the trained img_size", trainedSize, 1, MAX_SIZE);
    Ranges.require("in_channels", inChannels, 1, Ranges.MAX_EXTENT);
    Ranges.require("the number of stages in 'dims'", dims.size(), 1, MAX_STAGES);
    Ranges.require("window", window, 1, Ranges.MAX_EXTENT);
    Ranges.require("num_classes", numClasses, 0, Ranges.MAX_CLASSES);
    if (outChannels != inChannels && outChannels != 2L * inChannels) {
      throw new IllegalArgumentException(
          "out_channels is %d, expected %d, or %d with learn_sigma"
              .formatted(outChannels, inChannels, 2L * inChannels));
    }
    if (training == Training.EDM && outChannels != inChannels) {
      throw new IllegalArgumentException(
          "out_channels is %d, but a network of EDM has no variance: give learn_sigma false"
              .formatted(outChannels));
    }
    if (depths.size() != dims.size() || heads.size() != dims.size()) {
      throw new IllegalArgumentException(
          "'dims', 'depths' and 'heads' have %d, %d and %d items, expected one for each stage"
              .formatted(dims.size(), depths.size(), heads.size()));
    }
    int blocks = 0;
    for (int s = 0; s < dims.size(); s++) {
      int channels = dims.get(s);
      Ranges.require("item " + s + " of 'dims'", channels, 4, Ranges.MAX_EXTENT);
      Ranges.require("item " + s + " of 'depths'", depths.get(s), 1, Ranges.MAX_DEPTH);
      Ranges.require("item " + s + " of 'heads'", heads.get(s), 1, Ranges.MAX_EXTENT);
      Ranges.requireMlp(mlpRatio, channels);
      if (channels % 4 != 0 || channels % groups(channels) != 0) {
        throw new IllegalArgumentException(
            "item %d of 'dims' is %d, expected a multiple of 4, and of 32 from 128 on"
                .formatted(s, channels));
      }
      if (channels % heads.get(s) != 0) {
        throw new IllegalArgumentException(
            "item %d of 'dims' is %d, which %d heads do not divide"
                .formatted(s, channels, heads.get(s)));
      }
      requireSide(trainedSize, s, dims.size(), window, trainedSize);
      requireSide(inputSize, s, dims.size(), window, trainedSize);
      blocks += depths.get(s);
    }
    Ranges.require("the sum of 'depths'", blocks, 1, Ranges.MAX_DEPTH);
    Ranges.require("time_dim", timeDim, 1, Ranges.MAX_EXTENT);
    Ranges.require("time_embed_dim", frequencies, 2, Ranges.MAX_EXTENT);
  }

  private static int windowSide(int stage, int window, int trainedSize) {
    return Math.min(window, trainedSize >> stage);
  }

  private static void requireSide(int size, int stage, int stages, int window, int trainedSize) {
    if (size % (1 << (stages - 1)) != 0) {
      throw new IllegalArgumentException(
          "img_size %d is not a multiple of %d, as %d stages need"
              .formatted(size, 1 << (stages - 1), stages));
    }
    int side = windowSide(stage, window, trainedSize);
    if (side > MAX_WINDOW) {
      throw new IllegalArgumentException(
          "window %d gives stage %d windows of %d, expected at most %d"
              .formatted(window, stage, side, MAX_WINDOW));
    }
    if ((size >> stage) % side != 0) {
      throw new IllegalArgumentException(
          "img_size %d gives stage %d a side of %d, which windows of %d do not divide"
              .formatted(size, stage, size >> stage, side));
    }
  }

  /**
   * The networks of the paper, {@code DiffiT-CIFAR10} and {@code DiffiT-FFHQ64}, by name. No
   * weights of them were ever published, so these are untested against any: channels, windows, and
   * blocks (of its two contradictory tables, appendix H.1) are the paper's; the number of heads and
   * the channels for CIFAR-10, where it gives none, are guesses.
   */
  public static Optional<DiffiTImageConfig> preset(String name) {
    return switch (name.toUpperCase(Locale.ROOT)) {
      case "DIFFIT-CIFAR10" -> Optional.of(paper(32, List.of(128, 256, 256), 4));
      case "DIFFIT-FFHQ64" -> Optional.of(paper(64, List.of(128, 256, 256, 256), 8));
      default -> Optional.empty();
    };
  }

  private static DiffiTImageConfig paper(int size, List<Integer> dims, int window) {
    var fours = dims.stream().map(d -> 4).toList();
    return new DiffiTImageConfig(
        size, 3, 3, dims, fours, fours, window, 0, 512, 256, 4, Training.EDM, size);
  }

  @Override
  public String model() {
    return "diffit-image";
  }

  @Override
  public String name() {
    for (var preset : List.of("DiffiT-CIFAR10", "DiffiT-FFHQ64")) {
      if (withInputSize(trainedSize).equals(preset(preset).orElseThrow())) {
        return preset;
      }
    }
    return "DiffiT of images, dims " + dims + ", depths " + depths;
  }

  /** Number of resolutions. */
  public int stages() {
    return dims.size();
  }

  /** Height and width of a stage. */
  public int side(int stage) {
    return inputSize >> stage;
  }

  /** What a position of a stage sees. */
  Windows windows(int stage) {
    return new Windows(side(stage), side(stage), windowSide(stage, window, trainedSize));
  }

  /** Groups of a normalisation. */
  static int groups(int channels) {
    return Math.min(32, channels / 4);
  }

  /** Hidden width of a stage's MLPs. */
  int mlpHidden(int stage) {
    return (int) (dims.get(stage) * mlpRatio);
  }

  /** Positions of the first stage. */
  @Override
  public int tokens() {
    return inputSize * inputSize;
  }

  @Override
  public Conditioning conditioning() {
    return numClasses == 0 ? Conditioning.NONE : Conditioning.LABEL;
  }

  @Override
  public int nullClass() {
    return numClasses == 0 ? -1 : numClasses;
  }

  /** There are no absolute positions, so any size will do that the trained windows divide. */
  @Override
  public DiffiTImageConfig withInputSize(int size) {
    return new DiffiTImageConfig(
        size,
        inChannels,
        outChannels,
        dims,
        depths,
        heads,
        window,
        numClasses,
        timeDim,
        frequencies,
        mlpRatio,
        training,
        trainedSize);
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new Keys();
    int first = dims.getFirst();
    keys.conv("stem", first, inChannels, 3);
    keys.linear("time_mlp.0", timeDim, frequencies);
    keys.linear("time_mlp.2", timeDim, timeDim);
    if (numClasses > 0) {
      keys.tensor("label_emb.weight", numClasses + 1, timeDim);
    }
    for (int s = 0; s < stages(); s++) {
      blocks(keys, "encoder", s);
      if (s + 1 < stages()) {
        keys.conv("down." + s, dims.get(s + 1), dims.get(s), 3);
      }
    }
    for (int s = stages() - 2; s >= 0; s--) {
      keys.conv("up." + s, dims.get(s), dims.get(s + 1), 3);
      keys.conv("fuse." + s, dims.get(s), 2 * dims.get(s), 1);
      blocks(keys, "decoder", s);
    }
    keys.norm("norm_out", first);
    keys.conv("head", outChannels, first, 3);
    return keys.shapes();
  }

  private void blocks(Keys keys, String name, int stage) {
    int d = dims.get(stage);
    for (int i = 0; i < depths.get(stage); i++) {
      var block = name + "." + stage + "." + i;
      keys.norm(block + ".norm", d);
      keys.conv(block + ".conv", d, d, 3);
      keys.norm(block + ".norm1", d);
      keys.attention(block + ".attn", d, timeDim, heads.get(stage), windows(stage).side());
      keys.norm(block + ".norm2", d);
      keys.mlp(block + ".mlp", d, mlpHidden(stage));
    }
  }

  @Override
  public long multiplyAdds(int batch) {
    long first = dims.getFirst();
    long sum = (long) frequencies * timeDim + (long) timeDim * timeDim;
    sum += 9L * tokens() * first * (inChannels + outChannels);
    for (int s = 0; s < stages(); s++) {
      long d = dims.get(s);
      long area = (long) side(s) * side(s);
      long window = windows(s).side();
      long perPosition = 9 * d * d + 4 * d * d + 2 * d * mlpHidden(s) + 2 * window * window * d;
      long block = area * perPosition + 3 * d * timeDim;
      boolean last = s + 1 == stages();
      sum += depths.get(s) * block * (last ? 1 : 2);
      if (!last) {
        long below = dims.get(s + 1);
        sum += area * (9 * d * below / 4 + 9 * d * below + 2 * d * d);
      }
    }
    return batch * sum;
  }
}
