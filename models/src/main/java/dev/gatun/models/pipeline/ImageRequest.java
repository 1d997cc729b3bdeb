package dev.gatun.models.pipeline;

import dev.gatun.models.clip.ClipTokenizer;
import dev.gatun.models.diffusion.Churn;
import dev.gatun.models.diffusion.Respacing;
import dev.gatun.models.diffusion.SamplerSettings;
import dev.gatun.models.diffusion.SamplerSettings.Levels;
import dev.gatun.models.diffusion.Samplers;
import dev.gatun.models.diffusion.Sampling;
import dev.gatun.models.diffusion.Spacing;
import dev.gatun.models.diffusion.X0Correction;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/**
 * What pictures to make: begins with the defaults of the model, is changed by its methods, ends
 * with {@link #generate}.
 *
 * <p>A request may be used again; it is not thread-safe.
 */
public final class ImageRequest {
  /** The most pictures of one request: their files are numbered with six digits. */
  public static final int MOST = 1_000_000;

  /** The most steps: a continuous schedule can be cut as finely as one likes. */
  static final int MOST_STEPS = 10_000;

  static final double MAX_GUIDANCE = 1000;

  private static final int DEFAULT_COUNT = 16;

  private final ImagePipeline pipeline;
  final ModelFile model;
  private List<Integer> classes = List.of();
  private List<String> prompts = List.of();
  private int count;
  long seed;
  Rng rng = Rng.IMAGE;
  String sampler;
  private boolean samplerAsked;
  private boolean stepsAsked;

  /** What was asked for; the correction stands in {@link #correction}. */
  SamplerSettings settings;

  /** How {@link Respacing} was written; empty for even steps. */
  String respacing = "";

  private X0Correction correction;
  private boolean correctionAsked;

  /** Null for that of the model with the sampler. */
  private Double guidance;

  int guidanceChannels;
  private int batch;
  GeneratedImages lowResolution;
  ProgressListener listener;

  ImageRequest(ImagePipeline pipeline, ModelFile model) {
    this.pipeline = pipeline;
    this.model = model;
    var defaults = model.recipe().sampling();
    sampler = defaults.sampler();
    settings = SamplerSettings.steps(defaults.steps());
    guidanceChannels = defaults.guidedChannels();
    correction = X0Correction.clip(defaults.clip());
  }

  /**
   * The classes to draw, by label, instead of those of an earlier call; with more pictures than
   * classes they are taken in turn, and with none all classes are.
   */
  public ImageRequest classes(int... labels) {
    Objects.requireNonNull(labels, "labels");
    var names = names();
    classes = IntStream.of(labels).map(names::label).boxed().toList();
    return this;
  }

  /**
   * The classes to draw, by name or number, instead of those of an earlier call; upper and lower
   * case do not matter.
   */
  public ImageRequest classes(String... texts) {
    var names = names();
    classes = listed("classes", texts).stream().map(names::label).toList();
    return this;
  }

  private ClassNames names() {
    return new ClassNames(pipeline.classCount(), model.classes());
  }

  /**
   * The texts to draw, instead of those of an earlier call; with more pictures than texts they are
   * taken in turn.
   */
  public ImageRequest prompts(String... texts) {
    var list = listed("prompts", texts);
    if (!list.isEmpty() && !pipeline.takesText()) {
      throw new IllegalArgumentException(
          "a prompt needs a model that was trained with texts, which this one was not; give a class or nothing");
    }
    list.forEach(ClipTokenizer::requireReadable);
    prompts = list;
    return this;
  }

  private static List<String> listed(String name, String... texts) {
    Objects.requireNonNull(texts, name);
    for (var text : texts) {
      Objects.requireNonNull(text, name);
    }
    return List.of(texts);
  }

  /**
   * How many pictures: if nothing is said, one for each class, text or picture to be enlarged, else
   * 16.
   */
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
    rng = Objects.requireNonNull(value, "rng");
    return this;
  }

  /**
   * How to get from noise to a picture: {@code ddim}, {@code ddpm}, {@code dpm-solver++} and all
   * the others of {@link Samplers#names} but {@code ddim-reverse}, which goes the other way.
   */
  public ImageRequest sampler(String name) {
    var entry = Samplers.entry(Objects.requireNonNull(name, "sampler"));
    if (entry.name().equals("ddim-reverse")) {
      throw new IllegalArgumentException(
          "ddim-reverse makes noise of pictures, not pictures of noise; choose ddim or another one");
    }
    sampler = entry.name();
    samplerAsked = true;
    return this;
  }

  /** How many steps the sampler takes. */
  public ImageRequest steps(int value) {
    settings = settings.withSteps(within("steps", value, 1, MOST_STEPS)).with((Respacing) null);
    stepsAsked = true;
    respacing = "";
    return this;
  }

  /**
   * Which steps of the training's schedule {@code ddpm} and {@code ddim} keep, as guided-diffusion
   * writes it: {@code 250}, {@code ddim25}, or {@code 90,60,60,20,20} for sections.
   *
   * @throws IllegalArgumentException if it is none, or asks for more than there is
   */
  public ImageRequest respacing(String text) {
    var kept = Respacing.parse(Objects.requireNonNull(text, "respacing"));
    int steps = kept.timesteps(model.recipe().training().steps()).length;
    settings = settings.withSteps(steps).with(kept);
    stepsAsked = true;
    respacing = text;
    return this;
  }

  /**
   * How much noise the samplers {@code ddim} and the ancestral ones add on their way, from 0 (none)
   * to 1.
   */
  public ImageRequest eta(double value) {
    if (!(value >= 0 && value <= 1)) {
      throw new IllegalArgumentException("eta is " + value + ", expected 0 to 1");
    }
    settings = settings.withEta(value);
    return this;
  }

  /** How much the samplers of EDM stir: {@code S_churn}, 0 for none. */
  public ImageRequest churn(double value) {
    if (!(value >= 0 && value <= 1000)) {
      throw new IllegalArgumentException("churn is " + value + ", expected 0 to 1000");
    }
    settings = settings.with(value > 0 ? Churn.of(value) : Churn.NONE);
    return this;
  }

  /** The order of the solvers that come in several, from 1. */
  public ImageRequest order(int value) {
    settings = settings.withOrder(within("order", value, 1, 4));
    return this;
  }

  /** How DPM-Solver spreads its steps. */
  public ImageRequest spacing(Spacing value) {
    settings = settings.with(Objects.requireNonNull(value, "spacing"));
    return this;
  }

  /** How the samplers of sigma space spread theirs. */
  public ImageRequest levels(Levels value) {
    settings = settings.with(Objects.requireNonNull(value, "levels"));
    return this;
  }

  /**
   * The scale of the guidance that the model has: for classifier-free guidance w, where 1 is none;
   * for a classifier s, where 0 is none.
   */
  public ImageRequest guidance(double scale) {
    if (!(Math.abs(scale) <= MAX_GUIDANCE)) {
      throw new IllegalArgumentException(
          "guidance is " + scale + ", expected a number up to " + MAX_GUIDANCE);
    }
    if (pipeline.guidance() == Guidance.NONE && scale != pipeline.unguided()) {
      throw new IllegalArgumentException(
          model.recipe().sampling().guidance() == Guidance.CLASSIFIER
              ? "guidance needs the classifier "
                  + model.recipe().sampling().companion()
                  + ", which was not given; leave it at 0"
              : "guidance needs a label for \"no class\", which this model was not trained with;"
                  + " leave it at 1");
    }
    guidance = scale;
    return this;
  }

  /** The scale of the guidance: as asked for, else what the authors take with the sampler. */
  double guidance() {
    if (guidance != null) {
      return guidance;
    }
    var defaults = model.recipe().sampling();
    if (pipeline.guidance() == Guidance.NONE) {
      return pipeline.unguided();
    }
    if (pipeline.guidance() != defaults.guidance()) {
      return 1; // a classifier of the user's
    }
    return defaults.scaleOf(sampler, steps());
  }

  /** How many of the first channels are guided; 0 for all. */
  public ImageRequest guidanceChannels(int channels) {
    guidanceChannels = within("guidance channels", channels, 0, pipeline.channels());
    return this;
  }

  /** Whether the predicted picture is clamped to [-1, 1] in every step. */
  public ImageRequest clip(boolean on) {
    return correction(X0Correction.clip(on));
  }

  /**
   * What is done to the predicted picture in every step: another choice than {@link #clip}, such as
   * {@link X0Correction.DynamicThresholding} for a strong guidance of pixels.
   */
  public ImageRequest correction(X0Correction value) {
    correction = Objects.requireNonNull(value, "correction");
    correctionAsked = true;
    return this;
  }

  /**
   * What is done to the predicted picture; that of the model only where the sampler has a place.
   */
  X0Correction correction() {
    boolean place = Samplers.entry(sampler).options().contains(Samplers.Option.CLIP);
    return place || correctionAsked ? correction : X0Correction.none();
  }

  /**
   * The pictures that a model which enlarges is to enlarge, each with its own class where it has
   * one and none is asked for. If nothing is said of the count, each is made once; with more
   * pictures than these they are taken in turn, each time with other noise, and with fewer the
   * first.
   */
  public ImageRequest lowResolution(GeneratedImages images) {
    pipeline.requireLowResolution(Objects.requireNonNull(images, "images"));
    lowResolution = images;
    return this;
  }

  /**
   * How many pictures are computed together; it changes speed and memory, never a picture of {@link
   * Rng#IMAGE}.
   */
  public ImageRequest batch(int pictures) {
    batch = within("batch", pictures, 1, Batch.MOST);
    return this;
  }

  /** Somebody to tell about the progress; null for nobody. */
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

  /** Whether the model knows classes, so that {@link #label} tells something. */
  public boolean hasClasses() {
    return pipeline.classCount() > 0;
  }

  /** Height and width of the pictures, in pixels. */
  public int size() {
    return pipeline.size();
  }

  /** How many pictures will be made. */
  public int pictures() {
    if (count > 0) {
      return count;
    }
    if (lowResolution != null) {
      return lowResolution.count();
    }
    int asked = Math.max(classes.size(), prompts.size());
    return asked > 0 ? asked : DEFAULT_COUNT;
  }

  /**
   * The label of a picture: the classes asked for in turn, else that of the picture to be enlarged,
   * else all classes in turn; 0 for a model without classes.
   */
  public long label(int picture) {
    if (!classes.isEmpty()) {
      return classes.get(picture % classes.size());
    }
    if (lowResolution != null && lowResolution.labels().length > 0) {
      return lowResolution.labels()[picture % lowResolution.count()];
    }
    return pipeline.classCount() == 0 ? 0 : picture % pipeline.classCount();
  }

  /** How many steps the sampler takes. */
  public int steps() {
    return settings.steps();
  }

  /** Where the noise comes from. */
  public Rng rng() {
    return rng;
  }

  /** The text of a picture; the empty one if there is none. */
  public String prompt(int picture) {
    return prompts.isEmpty() ? "" : prompts.get(picture % prompts.size());
  }

  /** The classes asked for, by label; empty for all. */
  List<Integer> labels() {
    return classes;
  }

  /** The texts asked for. */
  List<String> texts() {
    return prompts;
  }

  /**
   * Requires that the settings go together; {@link #generate} does so, too.
   *
   * @throws IllegalArgumentException if they do not; the message says which and why
   */
  public ImageRequest check() {
    sampling();
    var upsampler = pipeline.companions().upsampler;
    if (upsampler != null) {
      toEnlarge(upsampler).sampling();
    }
    if (pipeline.enlarges() && lowResolution == null) {
      throw new IllegalArgumentException(
          "this model enlarges pictures: give it some with --low-res FILE.npz, in Java"
              + " lowResolution(images)");
    }
    Batch.requireFits(pipeline, this);
    return this;
  }

  /**
   * The request to the model that enlarges what this one makes: its own defaults, but what was
   * asked for of the sampler.
   */
  ImageRequest toEnlarge(ImagePipeline upsampler) {
    var next = upsampler.request();
    if (samplerAsked) {
      next.sampler(sampler);
    }
    next.settings = settings.withSteps(stepsAsked ? steps() : next.steps());
    next.respacing = respacing;
    return next;
  }

  /** The sampler with its settings. */
  Sampling sampling() {
    var training = model.recipe().training();
    int most = training.steps();
    if ((sampler.equals("ddpm") || sampler.startsWith("ddim")) && steps() > most) {
      throw new IllegalArgumentException(
          "steps is "
              + steps()
              + ", expected at most the "
              + most
              + " that the model was trained with");
    }
    return Samplers.of(sampler, training.process(), settings.with(correction()));
  }

  /** What would make the same pictures again, by the names of the command line. */
  public SequencedMap<String, String> parameters() {
    return RequestParameters.of(pipeline, this);
  }

  /**
   * Makes the pictures.
   *
   * @throws InterruptedException if the thread is interrupted, at the next step
   * @throws GenerationException if what comes out are no numbers; the message names the file that
   *     is to blame
   * @throws IllegalStateException if the pipeline computes for another thread
   */
  public GeneratedImages generate() throws InterruptedException {
    return new Generation(pipeline, this).all();
  }

  /**
   * Makes the pictures and hands each over when it is finished, so that there may be any number.
   *
   * @return how many were made: those that the sink wanted
   * @throws InterruptedException if the thread is interrupted, at the next step
   * @throws IOException of the sink
   * @throws GenerationException if what comes out are no numbers; the message names the file that
   *     is to blame
   * @throws IllegalStateException if the pipeline computes for another thread
   */
  public int generate(ImageSink sink) throws InterruptedException, IOException {
    return new Generation(pipeline, this).each(Objects.requireNonNull(sink, "sink"));
  }
}
