package dev.gatun.models.diffit;

import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** A state dict in the making: keys and shapes, layer by layer. */
final class Keys {
  private final SequencedMap<String, Shape> shapes = new LinkedHashMap<>();

  void tensor(String key, int... dims) {
    shapes.put(key, Shape.of(dims));
  }

  void linear(String prefix, int out, int in) {
    tensor(prefix + ".weight", out, in);
    tensor(prefix + ".bias", out);
  }

  void conv(String prefix, int out, int in, int size) {
    tensor(prefix + ".weight", out, in, size, size);
    tensor(prefix + ".bias", out);
  }

  void norm(String prefix, int channels) {
    tensor(prefix + ".weight", channels);
    tensor(prefix + ".bias", channels);
  }

  /** {@code qkv_temb}, {@code qkv}, {@code proj} and the bias table of {@link Tmsa}. */
  void attention(String prefix, int width, int condition, int heads, int side) {
    tensor(prefix + ".relative_position_bias_table", RelativeBias.offsets(side), heads);
    linear(prefix + ".qkv_temb", 3 * width, condition);
    linear(prefix + ".qkv", 3 * width, width);
    linear(prefix + ".proj", width, width);
  }

  void mlp(String prefix, int width, int hidden) {
    linear(prefix + ".fc1", hidden, width);
    linear(prefix + ".fc2", width, hidden);
  }

  SequencedMap<String, Shape> shapes() {
    return shapes;
  }
}
