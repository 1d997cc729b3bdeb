package dev.gatun.models.vae;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * How a file holds an autoencoder.
 *
 * @param naming whose names it gives to the tensors
 * @param prefix what stands before each name: nothing, or {@link #FIRST_STAGE}
 */
record VaeLayout(Naming naming, String prefix) implements NetworkFamily.Layout {
  /** Before the names in the checkpoint of a whole latent diffusion model. */
  static final String FIRST_STAGE = "first_stage_model.";

  /** Before the discriminator and the perceptual loss, which LDM trained with and saved. */
  private static final String LOSS = "loss.";

  /** The layout of a file with these keys, if it holds an autoencoder. */
  static Optional<VaeLayout> of(SequencedMap<String, Shape> keys) {
    for (var prefix : new String[] {"", FIRST_STAGE}) {
      for (var naming : Naming.values()) {
        var layout = new VaeLayout(naming, prefix);
        // These tell the three namings apart, and an autoencoder from anything else.
        if (keys.containsKey(layout.key("decoder.mid.attn_1.q.weight", 1))
            && keys.containsKey(layout.key("decoder.mid.block_1.norm1.weight", 1))) {
          return Optional.of(layout);
        }
      }
    }
    return Optional.empty();
  }

  /** The file's key for a tensor that LDM calls {@code original}. */
  String key(String original, int levels) {
    return prefix + naming.of(original, levels);
  }

  @Override
  public String name() {
    return prefix.isEmpty() ? naming.title : naming.title + ", in a latent diffusion checkpoint";
  }

  @Override
  public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
    var keys = new LinkedHashMap<String, Shape>();
    int levels = ((AutoencoderKLConfig) config).levels();
    config.stateDict().forEach((key, shape) -> keys.put(key(key, levels), stored(key, shape)));
    return keys;
  }

  private Shape stored(String original, Shape shape) {
    return naming.storesAsMatrix(original) ? Shape.of(shape.dim(0), shape.dim(1)) : shape;
  }

  /** Losses, and in a latent diffusion checkpoint everything that is not the autoencoder. */
  @Override
  public boolean ignored(String key) {
    return !key.startsWith(prefix) || key.startsWith(LOSS, prefix.length());
  }

  @Override
  public Parameters adapt(NetworkConfig config, Parameters file) {
    return new Adapted(this, ((AutoencoderKLConfig) config).levels(), file);
  }

  /** A file's tensors under LDM's names. */
  private record Adapted(VaeLayout layout, int levels, Parameters file) implements Parameters {
    @Override
    public boolean has(String key) {
      return file.has(layout.key(key, levels));
    }

    @Override
    public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
      return file.read(
          layout.key(key, levels),
          layout.stored(key, expected),
          tensor -> use.apply(tensor.reshape(expected)));
    }
  }
}
