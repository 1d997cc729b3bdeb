package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.adm.AdmConfig;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Workspace;
import java.nio.file.Path;
import java.util.Deque;
import java.util.List;
import java.util.Objects;

/**
 * A model that makes pictures, from file to pixels:
 *
 * {@snippet :
 * try (var pipeline = ImagePipeline.load(Path.of("model.safetensors"))) {
 *   var images = pipeline.request().classes("strawberry", "banana").seed(7).generate();
 *   ImageIO.write(images.grid(), "png", new File("fruit.png"));
 * }
 * }
 *
 * <p>One thread at a time: a pipeline computes with one backend, which serves one caller, and a
 * request of another thread in the meantime is refused. Memory of the intermediates is kept from
 * request to request.
 */
public final class ImagePipeline implements AutoCloseable {
  // With more rows the intermediates leave the second-level cache: dit-fruit's largest product ran
  // at 171 GFLOP/s on two threads with this number of rows each, and at 150 with twice as many.
  private static final int ROWS_PER_THREAD = 128;

  /** Channels of a picture that was decoded from latents. */
  static final int COLOURS = 3;

  private final String name;
  private final String fingerprint;
  private final ModelFile model;
  private final DiffusionNetwork network;
  private final Companions companions;
  private final Backend backend;
  private final Workspace workspace;

  private final Ownership ownership = new Ownership();

  /** What is closed with the pipeline, the last first. */
  private final Deque<AutoCloseable> owned;

  ImagePipeline(
      String name,
      String fingerprint,
      ModelFile model,
      DiffusionNetwork network,
      Companions companions,
      Backend backend,
      Deque<AutoCloseable> owned) {
    this.name = name;
    this.fingerprint = fingerprint;
    this.model = model;
    this.network = network;
    this.companions = companions;
    this.backend = backend;
    this.owned = owned;
    workspace = backend.workspace();
    owned.push(workspace);
  }

  /**
   * Loads a checkpoint on the fastest backend of this machine's CPU, with what lies beside it.
   *
   * @throws CheckpointException if the file is broken, or no model that makes pictures
   */
  public static ImagePipeline load(Path file) throws CheckpointException {
    return loader(file).load();
  }

  /**
   * Loads a model that comes with Gatun; see {@link BundledModels}.
   *
   * @throws CheckpointException if there is none of that name; the message lists them
   */
  public static ImagePipeline bundled(String name) throws CheckpointException {
    return bundledLoader(name).load();
  }

  /** Loads a checkpoint, or the one in a folder, with settings. */
  public static PipelineLoader loader(Path file) {
    Objects.requireNonNull(file, "file");
    return new PipelineLoader(null, file);
  }

  /** Loads a model that comes with Gatun, with settings. */
  public static PipelineLoader bundledLoader(String name) {
    Objects.requireNonNull(name, "name");
    return new PipelineLoader(name, null);
  }

  /**
   * Loads a recognised checkpoint on a backend, which stays the caller's to close, after the
   * pipeline.
   *
   * @throws CheckpointException if the file is broken, or no model that makes pictures
   */
  public static ImagePipeline load(Checkpoint checkpoint, ModelFile model, Backend backend)
      throws CheckpointException {
    Objects.requireNonNull(checkpoint, "checkpoint");
    Objects.requireNonNull(model, "model");
    return new PipelineLoader(checkpoint.name(), null).backend(backend).load(checkpoint, model);
  }

  /** What the model is and how it is sampled. */
  public ModelFile model() {
    return model;
  }

  /** What it computes with. */
  public Backend backend() {
    return backend;
  }

  /** How many classes can be asked for; 0 if the model knows none. */
  public int classCount() {
    int own = model.classCount();
    if (own == 0 && companions.classifier != null) {
      return companions.classifier.config().numClasses();
    }
    return own == 0 && companions.upsampler != null ? companions.upsampler.classCount() : own;
  }

  /** Whether the model draws texts. */
  public boolean takesText() {
    return network.config().conditioning() == Conditioning.TEXT;
  }

  /** Height and width of its pictures, in pixels. */
  public int size() {
    return companions.upsampler == null ? firstSize() : companions.upsampler.size();
  }

  /** Height and width of the pictures before they are enlarged, in pixels. */
  int firstSize() {
    return network.config().inputSize() * companions.factor();
  }

  /** What makes a picture show more of what was asked for. */
  public Guidance guidance() {
    if (companions.classifier != null) {
      return Guidance.CLASSIFIER;
    }
    return model.recipe().sampling().guidance() == Guidance.CLASSIFIER_FREE
        ? Guidance.CLASSIFIER_FREE
        : Guidance.NONE;
  }

  /** The scale that means no guidance. */
  double unguided() {
    boolean classified = model.recipe().sampling().guidance() == Guidance.CLASSIFIER;
    return classified || companions.classifier != null ? 0 : 1;
  }

  String name() {
    return name;
  }

  /** Tells the model's file from others of its name, and what it was taken for. */
  String fingerprint() {
    return fingerprint;
  }

  /** The same of all files. */
  String fingerprints() {
    var all = new StringBuilder(fingerprint);
    companions.sources().values().forEach(source -> all.append('+').append(source.fingerprint()));
    return all.toString();
  }

  DiffusionNetwork network() {
    return network;
  }

  Companions companions() {
    return companions;
  }

  Workspace workspace() {
    return workspace;
  }

  /** Who computes with it. */
  Ownership ownership() {
    return ownership;
  }

  /** Channels of what the sampler works on. */
  int channels() {
    return network.config().inChannels();
  }

  /** Channels of the pictures. */
  int pictureChannels() {
    return model.recipe().training().latent() ? COLOURS : channels();
  }

  /**
   * The smallest batch whose rows, both halves of a guided batch counted, give every thread a full
   * share.
   */
  int smallestFullBatch() {
    int rows = network.config().tokens() * (guidance() == Guidance.CLASSIFIER_FREE ? 2 : 1);
    return Math.max(1, Math.ceilDiv(ROWS_PER_THREAD * backend.threads(), rows));
  }

  /** Requires pictures that this model can enlarge. */
  void requireLowResolution(GeneratedImages images) {
    if (!enlarges()) {
      throw new IllegalArgumentException(
          "this model enlarges no pictures; it makes them from noise");
    }
    if (images.channels() != channels()) {
      throw new IllegalArgumentException(
          "the pictures to be enlarged have "
              + images.channels()
              + " channels, expected "
              + channels());
    }
    if (images.height() != images.width() || images.width() >= size()) {
      throw new IllegalArgumentException(
          "the pictures to be enlarged have %d×%d pixels, expected square ones of fewer than %d"
              .formatted(images.width(), images.height(), size()));
    }
    for (long label : images.labels()) {
      if (classCount() > 0 && (label < 0 || label >= classCount())) {
        throw new IllegalArgumentException(
            "a picture to be enlarged is of class "
                + label
                + ", this model knows 0 to "
                + (classCount() - 1));
      }
    }
    for (float sample : images.samples()) {
      if (!Float.isFinite(sample)) {
        throw new IllegalArgumentException(
            "the pictures to be enlarged hold " + sample + ", expected numbers of about -1 to 1");
      }
    }
  }

  /** Whether the network takes a smaller picture beside the noise. */
  boolean enlarges() {
    return network.config() instanceof AdmConfig config && config.lowResChannels() > 0;
  }

  /** Requires that this is a model that can enlarge pictures of a size. */
  void requireEnlarges(int pixels) throws CheckpointException {
    if (!enlarges() || size() <= pixels) {
      throw new CheckpointException(
          name,
          "does not enlarge pictures of " + pixels + " pixels; give --upsampler another file");
    }
  }

  /** A request for pictures with the defaults of the model. */
  public ImageRequest request() {
    return new ImageRequest(this, model);
  }

  @Override
  public void close() {
    while (!owned.isEmpty()) {
      closeAll(List.of(owned.pop()));
    }
  }

  static void closeAll(Iterable<? extends AutoCloseable> resources) {
    for (var resource : resources) {
      try {
        resource.close();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException("closing a model failed", e);
      }
    }
  }
}
