package dev.gatun.models.vae;

import dev.gatun.models.Network;
import dev.gatun.models.Parameters;
import dev.gatun.models.Trial;
import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.Evaluation;
import dev.gatun.models.layers.NoiseTrial;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The KL autoencoder, as {@code AutoencoderKL} in LDM's {@code autoencoder.py} and in diffusers.
 * Its keys are LDM's.
 *
 * <p>N samples, H and W the size of a picture, h and w that of its latents, which have C channels;
 * {@code H = f·h} with f the {@linkplain AutoencoderKLConfig#factor factor}.
 *
 * <p>Samples go through one by one ("slicing"), so memory does not grow with N. Feature maps take,
 * for kl-f8, 2,304 bytes for each pixel of a decoded picture and 1,536 for one of an encoded: 144
 * MiB to decode 256×256 and 576 MiB to decode 512×512. Larger pictures go in {@linkplain Tiling
 * tiles}.
 */
public final class AutoencoderKL implements Network {
  /** Beyond so many pixels a picture goes in tiles unless somebody decides otherwise. */
  private static final long WHOLE_PIXELS = 1L << 20;

  /** Tiles overlap by a quarter, so one of fewer latents would have no overlap. */
  private static final int LEAST_TILE = 4;

  private final AutoencoderKLConfig config;
  private final Backend backend;
  private final Weights weights;

  /** Null if it only decodes. */
  private final Encoder encoder;

  private final Decoder decoder;

  /** Null if it only decodes. */
  private final Conv2d quantConv;

  private final Conv2d postQuantConv;
  private final TiledPass encoderTiles;
  private final TiledPass decoderTiles;

  /**
   * Reads and packs the weights.
   *
   * @param parameters under LDM's keys
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public AutoencoderKL(AutoencoderKLConfig config, Parameters parameters, Backend backend) {
    this(config, parameters, backend, true);
  }

  /**
   * One that only decodes, and reads only what that needs: six tenths of kl-f8.
   *
   * @param parameters under LDM's keys
   * @throws dev.gatun.models.ParameterException if a tensor is missing or has the wrong shape
   */
  public static AutoencoderKL decoder(
      AutoencoderKLConfig config, Parameters parameters, Backend backend) {
    return new AutoencoderKL(config, parameters, backend, false);
  }

  private AutoencoderKL(
      AutoencoderKLConfig config, Parameters parameters, Backend backend, boolean encodes) {
    this.config = config;
    this.backend = backend;
    weights = new Weights(backend, parameters);
    try {
      int z = config.latentChannels();
      int c = config.embedDim();
      encoder = encodes ? new Encoder(weights, "encoder", config) : null;
      quantConv = encodes ? new Conv2d(weights, "quant_conv", 2 * z, 2 * c, 1) : null;
      decoder = new Decoder(weights, "decoder", config);
      postQuantConv = new Conv2d(weights, "post_quant_conv", c, z, 1);
    } catch (RuntimeException | Error e) {
      weights.close();
      throw e;
    }
    int f = config.factor();
    int tile = Math.max(LEAST_TILE, config.sampleSize() / f);
    int step = tile - tile / 4;
    encoderTiles = new TiledPass(backend, tile * f, step * f, tile, step, this::encodeOne);
    decoderTiles = new TiledPass(backend, tile, step, tile * f, step * f, this::decodeOne);
  }

  @Override
  public AutoencoderKLConfig config() {
    return config;
  }

  /** The backend that it computes on. */
  public Backend backend() {
    return backend;
  }

  /**
   * {@link #encode(Tensor, Tiling, Workspace, Tensor)}, in tiles where the picture is very large.
   */
  public DiagonalGaussian encode(Tensor images, Workspace workspace, Tensor moments) {
    return encode(images, Tiling.AUTOMATIC, workspace, moments);
  }

  /**
   * Encodes pictures.
   *
   * @param images {@code [N, H, W, 3]}, in [-1, 1]; H and W may be any that f fits in
   * @param workspace of the same backend, for intermediates; at its old height on return
   * @param moments {@code [N, H/f, W/f, 2C]}, rounded down: receives mean and log-variance
   * @return the distribution of the latents, which refers to the moments
   * @throws IllegalStateException if this is a {@link #decoder}
   */
  public DiagonalGaussian encode(
      Tensor images, Tiling tiling, Workspace workspace, Tensor moments) {
    requireEncoder();
    int height = images.dim(1);
    int width = images.dim(2);
    requireImages(images);
    require("moments", moments, images, latents(height), latents(width), 2 * config.embedDim());
    boolean tiled = tiled(tiling, height, width, encoderTiles, (long) height * width);
    for (int i = 0; i < images.dim(0); i++) {
      var image = images.slice(i, i + 1); // (1, H, W, 3)
      var result = moments.slice(i, i + 1); // (1, h, w, 2C)
      if (tiled) {
        encoderTiles.forward(image, workspace, result);
      } else {
        encodeOne(image, workspace, result);
      }
    }
    return new DiagonalGaussian(backend, moments);
  }

  private void encodeOne(Tensor image, Workspace workspace, Tensor moments) {
    int mark = workspace.mark();
    var z = workspace.take(1, moments.dim(1), moments.dim(2), 2 * config.latentChannels());
    encoder.forward(image, workspace, z); // (1, h, w, 2z)
    quantConv.forward(z, moments); // (1, h, w, 2C)
    workspace.release(mark);
  }

  /**
   * {@link #decode(Tensor, double, Tiling, Workspace, Tensor)}, in tiles where the picture is very
   * large.
   */
  public void decode(Tensor latents, double scale, Workspace workspace, Tensor images) {
    decode(latents, scale, Tiling.AUTOMATIC, workspace, images);
  }

  /**
   * Decodes latents. The pictures are about in [-1, 1], but not clamped.
   *
   * @param latents {@code [N, h, w, C]}, {@code scale} times those of the autoencoder
   * @param scale the {@linkplain AutoencoderKLConfig#scalingFactor scaling factor} that the
   *     diffusion model was trained with: 0.18215, or 0.23010 for U-ViT's MS-COCO models; 1 for
   *     latents as they are
   * @param workspace of the same backend, for intermediates; at its old height on return
   * @param images {@code [N, f·h, f·w, 3]}
   */
  public void decode(
      Tensor latents, double scale, Tiling tiling, Workspace workspace, Tensor images) {
    requireLatents(latents);
    int height = latents.dim(1);
    int width = latents.dim(2);
    int f = config.factor();
    require("images", images, latents, height * f, width * f, config.outChannels());
    int mark = workspace.mark();
    boolean tiled = tiled(tiling, height, width, decoderTiles, (long) height * width * f * f);
    var z = workspace.take(1, height, width, config.embedDim()); // (1, h, w, C)
    for (int i = 0; i < latents.dim(0); i++) {
      var image = images.slice(i, i + 1); // (1, H, W, 3)
      backend.combine(1 / scale, latents.slice(i, i + 1), 0, null, z);
      if (tiled) {
        decoderTiles.forward(z, workspace, image);
      } else {
        decodeOne(z, workspace, image);
      }
    }
    workspace.release(mark);
  }

  private void decodeOne(Tensor latents, Workspace workspace, Tensor image) {
    int mark = workspace.mark();
    var z = workspace.take(1, latents.dim(1), latents.dim(2), config.latentChannels());
    postQuantConv.forward(latents, z); // (1, h, w, z)
    decoder.forward(z, workspace, image); // (1, H, W, 3)
    workspace.release(mark);
  }

  /** Extent of the latents of a picture. */
  private int latents(int pixels) {
    return pixels / config.factor();
  }

  private static boolean tiled(Tiling tiling, int height, int width, TiledPass tiles, long pixels) {
    boolean wanted =
        switch (tiling) {
          case AUTOMATIC -> pixels > WHOLE_PIXELS;
          case ALWAYS -> true;
          case NEVER -> false;
        };
    return wanted && (height > tiles.tile() || width > tiles.tile());
  }

  private void requireEncoder() {
    if (encoder == null) {
      throw new IllegalStateException(
          "this autoencoder only decodes: load the whole one with its constructor");
    }
  }

  private void requireImages(Tensor images) {
    int f = config.factor();
    int c = config.inChannels();
    if (images.shape().rank() != 4 || images.dim(3) != c) {
      throw wrong("images", images, "[N, H, W, " + c + "]");
    }
    if (images.dim(1) < f || images.dim(2) < f) {
      throw wrong("images", images, "at least %d×%d pixels".formatted(f, f));
    }
  }

  private void requireLatents(Tensor latents) {
    int c = config.embedDim();
    if (latents.shape().rank() != 4 || latents.dim(3) != c || latents.shape().rows() == 0) {
      throw wrong("latents", latents, "[N, h, w, " + c + "]");
    }
    if ((long) Math.max(latents.dim(1), latents.dim(2)) * config.factor() > 1 << 20) {
      throw wrong("latents", latents, "pictures of at most 2^20 pixels on a side");
    }
  }

  private static void require(
      String name, Tensor tensor, Tensor operand, int height, int width, int channels) {
    if (!tensor.shape().is(operand.dim(0), height, width, channels)) {
      throw wrong(name, tensor, Shape.of(operand.dim(0), height, width, channels).toString());
    }
  }

  private static IllegalArgumentException wrong(String name, Tensor found, String expected) {
    return new IllegalArgumentException(
        "the " + name + " are " + found.shape() + ", expected " + expected);
  }

  /**
   * Encodes pictures {@code x [N, 3, H, W]} to {@code mean} and {@code logvar [N, C, H/f, W/f]},
   * and decodes latents {@code z [N, C, h, w]}, as they are, to {@code image [N, 3, f·h, f·w]};
   * whichever is given.
   */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    var outputs = new LinkedHashMap<String, Tensor>();
    try (var evaluation = new Evaluation(backend, inputs)) {
      var workspace = evaluation.workspace();
      if (evaluation.has("x") || !evaluation.has("z")) {
        requireEncoder();
        var x = evaluation.image("x", config.inChannels());
        requireImages(x);
        int c = 2 * config.embedDim();
        var moments = evaluation.allocate(x.dim(0), latents(x.dim(1)), latents(x.dim(2)), c);
        var posterior = encode(x, workspace, moments);
        outputs.put("mean", evaluation.channelsFirst(posterior.mean()));
        outputs.put("logvar", evaluation.channelsFirst(posterior.logvar()));
      }
      if (evaluation.has("z")) {
        var z = evaluation.image("z", config.embedDim());
        requireLatents(z);
        int f = config.factor();
        var images =
            evaluation.allocate(z.dim(0), f * z.dim(1), f * z.dim(2), config.outChannels());
        decode(z, 1, workspace, images);
        outputs.put("image", evaluation.channelsFirst(images));
      }
      return outputs;
    }
  }

  /** Decoding pictures of the size that it was trained on. */
  @Override
  public Trial trial(int batch) {
    int side = Math.max(1, latents(config.sampleSize()));
    int pixels = side * config.factor();
    var trial = new NoiseTrial(backend);
    var z = trial.noise(batch, side, side, config.embedDim());
    var images = trial.zeros(DType.F32, batch, pixels, pixels, config.outChannels());
    return trial.of(
        () -> decode(z, config.scalingFactor(), Tiling.NEVER, trial.workspace(), images), images);
  }

  @Override
  public void close() {
    weights.close();
  }
}
