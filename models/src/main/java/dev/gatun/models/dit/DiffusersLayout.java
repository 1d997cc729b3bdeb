package dev.gatun.models.dit;

import dev.gatun.models.Parameters;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * A DiT as Hugging Face diffusers stores it, read under the authors' keys: q, k and v are apart
 * there, the embedders of time and class stand in every block (equal; the one of block 0 is read),
 * and the position embedding is not stored.
 */
record DiffusersLayout(Parameters diffusers) implements Parameters {
  private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d+)\\.(.+)\\.(weight|bias)");
  private static final String EMBEDDERS = "transformer_blocks.0.norm1.emb.";

  @Override
  public boolean has(String key) {
    return names(key).stream().allMatch(diffusers::has);
  }

  @Override
  public <R> R read(String key, Shape expected, Function<Tensor, R> use) {
    var names = names(key);
    if (names.size() == 1) {
      return diffusers.read(names.getFirst(), expected, use);
    }
    // q, k, v: the thirds of the packed matrix, one below the other
    int[] third = expected.dims();
    third[0] /= names.size();
    try (var packed = Tensor.allocate(DType.F32, expected)) {
      long at = 0;
      for (var name : names) {
        long from = at;
        at += diffusers.read(name, Shape.of(third), part -> append(part, packed, from));
      }
      return use.apply(packed);
    }
  }

  private static long append(Tensor part, Tensor packed, long at) {
    float[] values = part.toFloats();
    MemorySegment.copy(values, 0, packed.segment(), Tensor.FLOAT, at * Float.BYTES, values.length);
    return values.length;
  }

  /**
   * The names under which diffusers stores a tensor of the authors' state dict; several for qkv.
   */
  static List<String> names(String key) {
    var block = BLOCK.matcher(key);
    if (block.matches()) {
      var prefix = "transformer_blocks." + block.group(1) + ".";
      var suffix = "." + block.group(3);
      return switch (block.group(2)) {
        case "attn.qkv" ->
            List.of(
                prefix + "attn1.to_q" + suffix,
                prefix + "attn1.to_k" + suffix,
                prefix + "attn1.to_v" + suffix);
        case "attn.proj" -> List.of(prefix + "attn1.to_out.0" + suffix);
        case "mlp.fc1" -> List.of(prefix + "ff.net.0.proj" + suffix);
        case "mlp.fc2" -> List.of(prefix + "ff.net.2" + suffix);
        case "adaLN_modulation.1" -> List.of(prefix + "norm1.linear" + suffix);
        default -> List.of(key);
      };
    }
    return List.of(
        key.replace("x_embedder.proj", "pos_embed.proj")
            .replace("t_embedder.mlp.0", EMBEDDERS + "timestep_embedder.linear_1")
            .replace("t_embedder.mlp.2", EMBEDDERS + "timestep_embedder.linear_2")
            .replace("y_embedder", EMBEDDERS + "class_embedder")
            .replace("final_layer.adaLN_modulation.1", "proj_out_1")
            .replace("final_layer.linear", "proj_out_2"));
  }

  /** Every tensor of a diffusers file of this configuration, the copies in every block included. */
  static SequencedMap<String, Shape> stateDict(DiTConfig config) {
    var keys = new LinkedHashMap<String, Shape>();
    config
        .stateDict()
        .forEach(
            (key, shape) -> {
              if (key.equals("pos_embed")) {
                return;
              }
              var names = new ArrayList<>(names(key));
              if (names.getFirst().startsWith(EMBEDDERS)) {
                for (int i = 1; i < config.depth(); i++) {
                  names.add(names.getFirst().replace("blocks.0.", "blocks." + i + "."));
                }
              }
              int[] dims = shape.dims();
              if (key.contains(".attn.qkv.")) {
                dims[0] /= 3;
              }
              names.forEach(name -> keys.put(name, Shape.of(dims)));
            });
    return keys;
  }
}
