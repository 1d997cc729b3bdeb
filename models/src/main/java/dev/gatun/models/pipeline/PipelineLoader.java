package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig;
import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.adm.AdmClassifier;
import dev.gatun.models.adm.ClassifierConfig;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.CheckpointFolder;
import dev.gatun.models.checkpoint.Fingerprint;
import dev.gatun.models.clip.ClipText;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.models.uvit.UViTConfig;
import dev.gatun.models.vae.AutoencoderKL;
import dev.gatun.models.vae.AutoencoderKLConfig;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Objects;

/**
 * Loads a model that makes pictures, with the other models that it needs: an autoencoder for one
 * that makes latents, a text encoder for one that draws texts, a classifier, a model that enlarges.
 *
 * <p>What is not given is looked for beside the model, under the name of the file that its authors
 * use ({@code autoencoder_kl.pth}, {@code 256x256_classifier.pt}), as {@code vae} and {@code
 * text_encoder}, or among the bundled models.
 */
public final class PipelineLoader {
  private static final System.Logger LOG = System.getLogger(PipelineLoader.class.getName());

  private final String bundled;
  private final Path path;
  private String preset = "";
  private Path description;
  private Path autoencoder;
  private Path textEncoder;
  private Path classifier;
  private Path upsampler;
  private int size;
  private Precision precision;
  private Backend backend;

  PipelineLoader(String bundled, Path path) {
    this.bundled = bundled;
    this.path = path == null ? null : CheckpointFolder.resolve(path);
  }

  /** The published checkpoint that this is, where files are alike: see {@link Preset}. */
  public PipelineLoader preset(String name) {
    preset = Objects.requireNonNull(name, "preset");
    return this;
  }

  /** A JSON file that says what the network is. */
  public PipelineLoader description(Path file) {
    description = Objects.requireNonNull(file, "description");
    return this;
  }

  /** The KL autoencoder that turns latents into pixels: file or folder. */
  public PipelineLoader autoencoder(Path file) {
    autoencoder = Objects.requireNonNull(file, "autoencoder");
    return this;
  }

  /** The folder of the CLIP text encoder: its checkpoint and the files of its tokenizer. */
  public PipelineLoader textEncoder(Path folder) {
    textEncoder = Objects.requireNonNull(folder, "textEncoder");
    return this;
  }

  /** The classifier that guides. */
  public PipelineLoader classifier(Path file) {
    classifier = Objects.requireNonNull(file, "classifier");
    return this;
  }

  /** The model that enlarges what this one makes. */
  public PipelineLoader upsampler(Path file) {
    upsampler = Objects.requireNonNull(file, "upsampler");
    return this;
  }

  /**
   * Height and width of the pictures, where they are to differ from those that the model was
   * trained with; its position embeddings are interpolated then. This is extrapolation: pictures
   * lose coherence the further it goes.
   */
  public PipelineLoader size(int pixels) {
    if (pixels < 1) {
      throw new IllegalArgumentException("size is " + pixels + ", expected a number of pixels");
    }
    size = pixels;
    return this;
  }

  /**
   * What to compute in, f32 unless told. Where this machine cannot, it is f32 as well, and the log
   * says why.
   */
  public PipelineLoader precision(Precision value) {
    precision = Objects.requireNonNull(value, "precision");
    return this;
  }

  /**
   * What to compute with, in the precision that it was opened with; it stays the caller's to close,
   * after the pipeline. Unless told, the fastest that works on this machine's CPU.
   */
  public PipelineLoader backend(Backend value) {
    backend = Objects.requireNonNull(value, "backend");
    return this;
  }

  /**
   * Loads everything.
   *
   * @throws CheckpointException if a file is broken, missing, or not what it is given for
   * @throws IllegalArgumentException if the network cannot make pictures of the size, or if both a
   *     backend and a precision are given
   */
  public ImagePipeline load() throws CheckpointException {
    if (path == null) {
      try (var opened = BundledModels.open(bundled)) {
        return load(opened.checkpoint());
      }
    }
    try (var checkpoint = Checkpoint.open(path)) {
      return load(checkpoint);
    }
  }

  private ImagePipeline load(Checkpoint checkpoint) throws CheckpointException {
    return load(checkpoint, ModelFile.recognise(path, checkpoint, description, preset));
  }

  /** The same for a checkpoint that is open and recognised. */
  ImagePipeline load(Checkpoint checkpoint, ModelFile recognised) throws CheckpointException {
    if (backend != null && precision != null) {
      throw new IllegalArgumentException(
          "the precision is that of the backend: give the loader one of them");
    }
    var file = checkpoint.name();
    var model = recognised.requirePictures(file);
    Deque<AutoCloseable> owned = new ArrayDeque<>();
    try {
      var device = backend;
      if (device == null) {
        device = Backend.open(Device.CPU, precision == null ? Precision.F32 : precision, 0);
        owned.push(device);
      }
      var companions = new Companions();
      owned.push(companions);
      loadAutoencoder(companions, model, file, device);
      model = sized(model, companions.factor(), file);
      int pixels = model.images().inputSize() * companions.factor();
      loadText(companions, model.images(), file, device);
      loadClassifier(companions, model, pixels, device);
      loadUpsampler(companions, model, file, pixels, device);
      var network = (DiffusionNetwork) model.load(checkpoint, device);
      owned.push(network);
      var fingerprint = fingerprint(checkpoint, model);
      return new ImagePipeline(file, fingerprint, model, network, companions, device, owned);
    } catch (CheckpointException | RuntimeException | Error e) {
      ImagePipeline.closeAll(owned);
      throw e;
    }
  }

  /** Of a file and all that it was taken for: the same weights draw other pictures otherwise. */
  private static String fingerprint(Checkpoint checkpoint, ModelFile model)
      throws CheckpointException {
    var recipe = model.recipe();
    var description = new StringBuilder(model.config().toString());
    if (recipe != null) {
      description.append(' ').append(recipe.training()).append(' ').append(recipe.sampling());
    }
    return Fingerprint.of(checkpoint, description.toString());
  }

  /** The model for the size that was asked for. */
  private ModelFile sized(ModelFile model, int factor, String file) {
    int trained = model.images().inputSize();
    if (size == 0 || size == trained * factor) {
      return model;
    }
    if (size % factor != 0) {
      throw new IllegalArgumentException(
          "size is " + size + ", expected a multiple of " + factor + ", the pixels of a latent");
    }
    var sized = model.withSide(size / factor);
    LOG.log(
        System.Logger.Level.INFO,
        file
            + " was trained with pictures of "
            + trained * factor
            + " pixels; "
            + size
            + " is extrapolation, expect less coherence");
    return sized;
  }

  private void loadAutoencoder(Companions companions, ModelFile model, String file, Backend device)
      throws CheckpointException {
    if (!model.recipe().training().latent()) {
      if (autoencoder != null) {
        throw new CheckpointException(
            file, "makes pixels, it needs no autoencoder; leave out --vae");
      }
      return;
    }
    var name = model.recipe().sampling().companion();
    var found = autoencoder;
    if (found == null && path != null) {
      found = ModelFolder.beside(path, name, "vae").orElse(null);
    }
    if (found == null) {
      throw new CheckpointException(
          file,
          "makes latents, which an autoencoder must decode: give --vae with a file such as "
              + (name.isEmpty() ? "sd-vae-ft-mse" : name));
    }
    var at = CheckpointFolder.resolve(found);
    try (var checkpoint = Checkpoint.open(at)) {
      var recognised = ModelFile.recognise(at, checkpoint, null);
      if (!(recognised.config() instanceof AutoencoderKLConfig config)) {
        throw new CheckpointException(
            checkpoint.name(), "holds " + recognised.config().model() + ", no autoencoder");
      }
      if (config.embedDim() != model.images().inChannels()) {
        throw new CheckpointException(
            checkpoint.name(),
            "decodes latents of %d channels, %s makes %d; give the autoencoder that it was trained with"
                .formatted(config.embedDim(), file, model.images().inChannels()));
      }
      companions.autoencoder =
          recognised.loadBy(
              checkpoint, (any, parameters) -> AutoencoderKL.decoder(config, parameters, device));
      companions.note("vae", checkpoint.name(), fingerprint(checkpoint, recognised));
    }
  }

  private void loadText(Companions companions, DiffusionConfig config, String file, Backend device)
      throws CheckpointException {
    if (config.conditioning() != Conditioning.TEXT) {
      if (textEncoder != null) {
        throw new CheckpointException(file, "was not trained with texts; leave out --text-encoder");
      }
      return;
    }
    var found = textEncoder;
    if (found == null && path != null) {
      found = ModelFolder.beside(path, "text_encoder", "clip-vit-large-patch14").orElse(null);
    }
    if (found == null) {
      throw new CheckpointException(
          file,
          "draws texts: give --text-encoder with the folder of CLIP ViT-L/14 (its model file,"
              + " vocab.json and merges.txt)");
    }
    var name = found.getFileName() == null ? found.toString() : found.getFileName().toString();
    companions.text = ClipText.open(found, device);
    var text = companions.text.config();
    if (config instanceof UViTConfig uvit
        && (text.hiddenSize() != uvit.clipDim() || text.positions() != uvit.clipTokens())) {
      throw new CheckpointException(
          name,
          "gives %d tokens of %d numbers, %s reads %d of %d; give the text encoder that it was trained with"
              .formatted(
                  text.positions(), text.hiddenSize(), file, uvit.clipTokens(), uvit.clipDim()));
    }
    companions.note("text-encoder", name, companions.text.fingerprint());
  }

  private void loadUpsampler(
      Companions companions, ModelFile model, String file, int pixels, Backend device)
      throws CheckpointException {
    if (upsampler == null) {
      return;
    }
    var second = new PipelineLoader(null, upsampler).backend(device).load();
    companions.upsampler = second;
    second.requireEnlarges(pixels);
    companions.note("upsampler", second.name(), second.fingerprints());
    boolean latent = model.recipe().training().latent();
    int channels = latent ? ImagePipeline.COLOURS : model.images().inChannels();
    if (second.channels() != channels) {
      throw new CheckpointException(
          second.name(),
          "enlarges pictures of %d channels, %s makes %d; give --upsampler another file"
              .formatted(second.channels(), file, channels));
    }
    requireClasses(second.name(), second.classCount(), model, "--upsampler");
  }

  /** Both know the same classes, or one of them none. */
  private static void requireClasses(String file, int classes, ModelFile model, String option)
      throws CheckpointException {
    if (classes > 0 && model.classCount() > 0 && classes != model.classCount()) {
      throw new CheckpointException(
          file,
          "knows %d classes, but the model %d; leave out %s"
              .formatted(classes, model.classCount(), option));
    }
  }

  private void loadClassifier(Companions companions, ModelFile model, int pixels, Backend device)
      throws CheckpointException {
    var sampling = model.recipe().sampling();
    if (classifier != null) {
      try (var checkpoint = Checkpoint.open(classifier)) {
        loadClassifier(
            companions,
            checkpoint,
            ModelFile.recognise(classifier, checkpoint, null),
            model,
            pixels,
            device);
      }
      return;
    }
    if (sampling.guidance() != Guidance.CLASSIFIER) {
      return;
    }
    var name = sampling.companion();
    if (BundledModels.all().contains(name)) {
      try (var opened = BundledModels.open(name)) {
        loadClassifier(
            companions,
            opened.checkpoint(),
            ModelFile.recognise(opened.checkpoint(), null),
            model,
            pixels,
            device);
      }
      return;
    }
    var beside = path == null ? null : ModelFolder.beside(path, name).orElse(null);
    if (beside == null) {
      LOG.log(
          System.Logger.Level.INFO,
          "its authors guide this model with {0}, which does not lie beside it; --classifier gives it",
          name);
      return;
    }
    try (var checkpoint = Checkpoint.open(beside)) {
      loadClassifier(
          companions,
          checkpoint,
          ModelFile.recognise(beside, checkpoint, null),
          model,
          pixels,
          device);
    }
  }

  private static void loadClassifier(
      Companions companions,
      Checkpoint checkpoint,
      ModelFile recognised,
      ModelFile model,
      int pixels,
      Backend device)
      throws CheckpointException {
    if (!(recognised.config() instanceof ClassifierConfig config)) {
      throw new CheckpointException(
          checkpoint.name(), "holds " + recognised.config().model() + ", no classifier");
    }
    if (config.imageSize() != pixels) {
      throw new CheckpointException(
          checkpoint.name(),
          "looks at pictures of %d pixels, these have %d; give the classifier of their size"
              .formatted(config.imageSize(), pixels));
    }
    requireGuidable(checkpoint.name(), config, model);
    companions.classifier = (AdmClassifier) recognised.load(checkpoint, device);
    companions.note("classifier", checkpoint.name(), fingerprint(checkpoint, recognised));
  }

  /** What a classifier sees is what the sampler works on, and the times that it is told. */
  private static void requireGuidable(String file, ClassifierConfig config, ModelFile model)
      throws CheckpointException {
    var training = model.recipe().training();
    var network = model.images();
    String fault = null;
    if (training.latent()) {
      fault = "looks at pixels, but the model makes latents";
    } else if (network.inChannels() != config.inChannels()) {
      fault =
          "looks at %d channels, but the model makes %d"
              .formatted(config.inChannels(), network.inChannels());
    } else if (!training.schedule().discrete()) {
      fault = "was trained on the steps of a schedule, but the model on a continuous time";
    }
    if (fault != null) {
      throw new CheckpointException(file, fault + "; leave out --classifier");
    }
    requireClasses(file, config.numClasses(), model, "--classifier");
  }
}
