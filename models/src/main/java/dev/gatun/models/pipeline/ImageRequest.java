package dev.gatun.models.pipeline;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/**
 * What pictures to make: begins with the defaults of the model, is changed by its methods, ends
 * with {@link #generate}.
 *
 * <p>A request may be used again; it is not thread-safe.
 */
public final class ImageRequest {
  /** The most pictures of one request: their pixels are held on the heap. */
  public static final int MOST = 1 << 16;

  static final double MAX_GUIDANCE = 1000;

  private static final int DEFAULT_COUNT = 16;

  private final ImagePipeline pipeline;
  final ModelFile model;
  private final List<Integer> classes = new ArrayList<>();
  private int count;
  long seed;
  Rng rng = Rng.IMAGE;
  String sampler;
  int steps;
  double eta;
  double guidance;
  int guidanceChannels;
  boolean clip;
  private int batch;
  ProgressListener listener;

  ImageRequest(ImagePipeline pipeline, ModelFile model) {
    this.pipeline = pipeline;
    this.model = model;
    var defaults = model.sampling();
    sampler = defaults.sampler();
    steps = defaults.steps();
    guidance = defaults.guidance();
    guidanceChannels = defaults.guidanceChannels();
    clip = defaults.clip();
  }

  /** The classes to draw, by label; with more pictures than classes they are taken in turn. */
  public ImageRequest classes(int... labels) {
    int most = pipeline.classCount();
    for (int label : labels) {
      if (label < 0 || label >= most) {
        throw new IllegalArgumentException(
            "class " + label + " is not one of 0 to " + (most - 1) + named());
      }
      classes.add(label);
    }
    return this;
  }

  /** The classes to draw, by name or number; upper and lower case do not matter. */
  public ImageRequest classes(String... names) {
    for (var name : names) {
      int label = indexOf(name.strip());
      if (label < 0) {
        throw new IllegalArgumentException("there is no class '" + name.strip() + "'" + named());
      }
      classes(label);
    }
    return this;
  }

  private int indexOf(String name) {
    for (int i = 0; i < model.classes().size(); i++) {
      if (model.classes().get(i).toLowerCase(Locale.ROOT).equals(name.toLowerCase(Locale.ROOT))) {
        return i;
      }
    }
    return name.matches("[0-9]{1,9}") ? Integer.parseInt(name) : -1;
  }

  private String named() {
    if (model.classes().isEmpty()) {
      return "; this model's classes have no names, give numbers from 0 to "
          + (pipeline.classCount() - 1);
    }
    return "; there are " + String.join(", ", model.classes());
  }

  /** How many pictures: 16 if nothing is said, or one for each class asked for. */
  public ImageRequest count(int pictures) {
    count = within("count", pictures, 1, MOST);
    return this;
  }

  /** The seed of all randomness. */
  public ImageRequest seed(long value) {
    seed = value;
    return this;
  }

  /** Where the noise comes from. */
  public ImageRequest rng(Rng value) {
    rng = value;
    return this;
  }

  /** {@code ddim} or {@code ddpm}. */
  public ImageRequest sampler(String name) {
    var lower = name.toLowerCase(Locale.ROOT);
    if (!lower.equals("ddim") && !lower.equals("ddpm")) {
      throw new IllegalArgumentException(
          "there is no sampler '" + name + "'; there are ddim and ddpm");
    }
    sampler = lower;
    return this;
  }

  /** How many steps the sampler takes. */
  public ImageRequest steps(int value) {
    steps = within("steps", value, 1, model.sampling().trainSteps());
    return this;
  }

  /** How much of the noise of DDPM the sampler {@code ddim} adds, from 0 (none) to 1. */
  public ImageRequest eta(double value) {
    if (!(value >= 0 && value <= 1)) {
      throw new IllegalArgumentException("eta is " + value + ", expected 0 to 1");
    }
    eta = value;
    return this;
  }

  /** The scale of classifier-free guidance; 1 is none. */
  public ImageRequest guidance(double scale) {
    if (!(Math.abs(scale) <= MAX_GUIDANCE)) {
      throw new IllegalArgumentException(
          "guidance is " + scale + ", expected a number up to " + MAX_GUIDANCE);
    }
    if (scale != 1 && model.sampling().nullClass() < 0) {
      throw new IllegalArgumentException(
          "guidance needs a label for \"no class\", which this model was not trained with; leave it at 1");
    }
    guidance = scale;
    return this;
  }

  /** How many of the first channels are guided; 0 for all. */
  public ImageRequest guidanceChannels(int channels) {
    guidanceChannels = within("guidance channels", channels, 0, pipeline.channels());
    return this;
  }

  /** Whether the predicted picture is clamped to [-1, 1] in every step. */
  public ImageRequest clip(boolean on) {
    clip = on;
    return this;
  }

  /**
   * How many pictures are computed together; it changes speed and memory, never a picture of {@link
   * Rng#IMAGE}.
   */
  public ImageRequest batch(int pictures) {
    batch = within("batch", pictures, 1, 1 << 12);
    return this;
  }

  /** Somebody to tell about the progress. */
  public ImageRequest onProgress(ProgressListener value) {
    listener = value;
    return this;
  }

  /**
   * How many pictures are computed together: as asked for; else, where the noise is drawn for the
   * whole batch as in the authors' scripts, all of them; else just enough to keep every thread
   * busy, so that the intermediates stay in the caches.
   */
  int batch() {
    if (batch > 0) {
      return batch;
    }
    return rng == Rng.IMAGE ? Math.min(pictures(), pipeline.smallestFullBatch()) : pictures();
  }

  private static int within(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + " is " + value + ", expected " + least + " to " + most);
    }
    return value;
  }

  /** How many pictures will be made. */
  int pictures() {
    return count > 0 ? count : classes.isEmpty() ? DEFAULT_COUNT : classes.size();
  }

  /** The label of a picture: the classes asked for in turn, else all classes in turn. */
  long label(int picture) {
    return classes.isEmpty()
        ? picture % pipeline.classCount()
        : classes.get(picture % classes.size());
  }

  /** The classes asked for, as numbers: {@code 3,5}, or {@code all}. */
  String labels() {
    return classes.isEmpty()
        ? "all"
        : classes.stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  /** What would make the same pictures again. */
  SequencedMap<String, String> parameters(String modelName, String backendName) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("model", modelName);
    parameters.put("seed", Long.toString(seed));
    parameters.put("count", Integer.toString(pictures()));
    parameters.put("classes", labels());
    parameters.put("rng", rng.name().toLowerCase(Locale.ROOT));
    if (rng != Rng.IMAGE) {
      parameters.put("batch", Integer.toString(batch())); // the order of the draws
    }
    parameters.put("sampler", sampler);
    parameters.put("steps", Integer.toString(steps));
    if (sampler.equals("ddim")) {
      parameters.put("eta", Double.toString(eta));
    }
    parameters.put("guidance", Double.toString(guidance));
    if (guidance != 1) {
      int channels = guidanceChannels;
      parameters.put("guidance-channels", channels == 0 ? "all" : Integer.toString(channels));
    }
    parameters.put("clip", Boolean.toString(clip));
    parameters.put("backend", backendName);
    return parameters;
  }

  /**
   * Makes the pictures.
   *
   * @throws InterruptedException if the thread is interrupted, at the next step
   * @throws GenerationException if the network gives something that is no number
   */
  public GeneratedImages generate() throws InterruptedException {
    return pipeline.generate(this);
  }
}
