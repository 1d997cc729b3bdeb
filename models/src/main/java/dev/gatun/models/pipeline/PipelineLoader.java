package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionConfig.Conditioning;
import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.adm.AdmClassifier;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.clip.ClipText;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import dev.gatun.models.vae.AutoencoderKL;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Loads a model that makes pictures, with the other models that it needs: an autoencoder for one
 * that makes latents, a text encoder for one that draws texts, a classifier, a model that enlarges.
 *
 * <p>What is not given is looked for beside the model, under the name of the file that its authors
 * use ({@code autoencoder_kl.pth}, {@code 256x256_classifier.pt}), as {@code vae} and {@code
 * text_encoder}, or among the bundled models.
 */
public final class PipelineLoader {
  private final String bundled;
  private final Path path;
  private String preset = "";
  private Path description;
  private Path autoencoder;
  private Path textEncoder;
  private Path classifier;
  private Path upsampler;
  private int size;
  private Backend backend;

  PipelineLoader(String bundled, Path path) {
    this.bundled = bundled;
    this.path = path == null ? null : ModelFolder.checkpoint(path);
  }

  /** The published checkpoint that this is, where files are alike: see {@link Preset}. */
  public PipelineLoader preset(String name) {
    preset = name;
    return this;
  }

  /** A JSON file that says what the network is. */
  public PipelineLoader description(Path file) {
    description = file;
    return this;
  }

  /** The KL autoencoder that turns latents into pixels: file or folder. */
  public PipelineLoader autoencoder(Path file) {
    autoencoder = file;
    return this;
  }

  /** The folder of the CLIP text encoder: its checkpoint and the files of its tokenizer. */
  public PipelineLoader textEncoder(Path folder) {
    textEncoder = folder;
    return this;
  }

  /** The classifier that guides. */
  public PipelineLoader classifier(Path file) {
    classifier = file;
    return this;
  }

  /** The model that enlarges what this one makes. */
  public PipelineLoader upsampler(Path file) {
    upsampler = file;
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

  /** What to compute with; it stays the caller's to close, after the pipeline. */
  public PipelineLoader backend(Backend value) {
    backend = value;
    return this;
  }

  /**
   * Loads everything.
   *
   * @throws CheckpointException if a file is broken, missing, or not what it is given for
   * @throws IllegalArgumentException if the network cannot make pictures of the size
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
    var file = checkpoint.name();
    var model = recognised.requirePictures(file);
    if (size != 0) {
      model = model.withSize(size);
    }
    Deque<AutoCloseable> owned = new ArrayDeque<>();
    try {
      var device = backend;
      if (device == null) {
        device = Backend.open(Device.CPU);
        owned.push(device);
      }
      var companions = new Companions();
      owned.push(companions);
      var network = (DiffusionNetwork) model.load(checkpoint, device);
      owned.push(network);
      load(companions, model, file, device);
      return new ImagePipeline(file, model, network, companions, device, owned);
    } catch (CheckpointException | RuntimeException | Error e) {
      ImagePipeline.closeAll(owned);
      throw e;
    }
  }

  private void load(Companions companions, ModelFile model, String file, Backend device)
      throws CheckpointException {
    var recipe = model.recipe();
    if (recipe.training().latent()) {
      loadAutoencoder(companions, recipe.sampling().companion(), file, device);
    } else if (autoencoder != null) {
      throw new CheckpointException(file, "makes pixels, it needs no autoencoder; leave out --vae");
    }
    if (model.images().conditioning() == Conditioning.TEXT) {
      loadText(companions, file, device);
    } else if (textEncoder != null) {
      throw new CheckpointException(file, "was not trained with texts; leave out --text-encoder");
    }
    loadClassifier(companions, recipe.sampling(), model.pixels(), device);
    if (upsampler != null) {
      companions.upsampler = new PipelineLoader(null, upsampler).backend(device).load();
      companions.upsampler.requireEnlarges(model.pixels());
      companions.name("upsampler", companions.upsampler.name());
    }
  }

  private void loadAutoencoder(Companions companions, String name, String file, Backend device)
      throws CheckpointException {
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
    var at = ModelFolder.checkpoint(found);
    try (var checkpoint = Checkpoint.open(at)) {
      var recognised = ModelFile.recognise(at, checkpoint, null);
      if (!(recognised.load(checkpoint, device) instanceof AutoencoderKL decoder)) {
        throw new CheckpointException(
            checkpoint.name(), "is a " + recognised.config().model() + ", no autoencoder");
      }
      companions.autoencoder = decoder;
      companions.name("vae", checkpoint.name());
    }
  }

  private void loadText(Companions companions, String file, Backend device)
      throws CheckpointException {
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
    companions.text = ClipText.open(found, device);
    companions.name("text-encoder", found.getFileName().toString());
  }

  private void loadClassifier(
      Companions companions, SamplingDefaults sampling, int pixels, Backend device)
      throws CheckpointException {
    if (classifier != null) {
      try (var checkpoint = Checkpoint.open(classifier)) {
        loadClassifier(
            companions,
            checkpoint,
            ModelFile.recognise(classifier, checkpoint, null),
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
            pixels,
            device);
      }
      return;
    }
    var beside = path == null ? null : ModelFolder.beside(path, name).orElse(null);
    if (beside != null) {
      try (var checkpoint = Checkpoint.open(beside)) {
        loadClassifier(
            companions, checkpoint, ModelFile.recognise(beside, checkpoint, null), pixels, device);
      }
    }
  }

  private static void loadClassifier(
      Companions companions,
      Checkpoint checkpoint,
      ModelFile recognised,
      int pixels,
      Backend device)
      throws CheckpointException {
    if (!(recognised.load(checkpoint, device) instanceof AdmClassifier network)) {
      throw new CheckpointException(
          checkpoint.name(), "is a " + recognised.config().model() + ", no classifier");
    }
    companions.classifier = network;
    if (network.config().imageSize() != pixels) {
      throw new CheckpointException(
          checkpoint.name(),
          "looks at pictures of %d pixels, these have %d; give the classifier of their size"
              .formatted(network.config().imageSize(), pixels));
    }
    companions.name("classifier", checkpoint.name());
  }
}
