package dev.gatun.models;

import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What Gatun knows of one kind of network: how its files are recognised, described and loaded.
 * Adding a network to Gatun is a package with one of these.
 */
public interface NetworkFamily {
  /**
   * The names of the network in descriptions ({@code "model": "dit"}), or its diffusers classes.
   */
  List<String> models();

  /** The naming that a file with these keys and shapes uses, if it holds such a network. */
  Optional<Layout> layout(SequencedMap<String, Shape> keys);

  /**
   * Reads the configuration off the keys and shapes of a file.
   *
   * @param keys as in the file, of a layout of this family
   * @param hints what the shapes do not show, where somebody knows it
   * @throws ParameterException if a key is missing or the shapes do not tell; the message says what
   *     would
   */
  NetworkConfig infer(SequencedMap<String, Shape> keys, Hints hints);

  /**
   * A description in the authors' own constructor arguments, with their defaults; or the {@code
   * config.json} of diffusers.
   *
   * @throws dev.gatun.models.json.JsonException if a value is missing or has the wrong type; the
   *     message names its key
   * @throws IllegalArgumentException if there is no such network
   */
  NetworkConfig describe(JsonObject json);

  /** Names that {@link #preset} knows, for the networks that a broken file is held against. */
  List<String> published();

  /** A published configuration by name, such as {@code DiT-XL/2}. */
  Optional<? extends NetworkConfig> preset(String name);

  /**
   * Loads a network.
   *
   * @param config one of this family's
   * @param parameters under the authors' keys
   * @throws ParameterException if a tensor is missing or has the wrong shape
   */
  Network load(NetworkConfig config, Parameters parameters, Backend backend);

  /** A naming of a network's tensors in files. */
  interface Layout {
    /** For people: {@code original}, {@code diffusers} … */
    String name();

    /** Every tensor that a file of this layout may hold for a network, with its shape. */
    SequencedMap<String, Shape> stateDict(NetworkConfig config);

    /** The tensors of such a file under the authors' keys. */
    Parameters adapt(NetworkConfig config, Parameters file);

    /** Whether a key of {@link #stateDict} may be missing, because its tensor is computed then. */
    default boolean optional(String key) {
      return false;
    }

    /**
     * Whether a key that is not in {@link #stateDict} is of no use to the network, but no fault.
     */
    default boolean ignored(String key) {
      return false;
    }
  }

  /**
   * What shapes do not show: heads, the order of qkv, which of several checkpoints of equal shapes.
   *
   * @param preset the name of a published configuration that somebody gave, or an empty string
   * @param fileName of the checkpoint, or an empty string
   */
  record Hints(String preset, String fileName) {
    /** Nothing is known. */
    public static final Hints NONE = new Hints("", "");
  }
}
