package dev.gatun.models.clip;

import dev.gatun.models.NetworkConfig;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * What a CLIP text encoder is, by the names of Hugging Face's {@code CLIPTextConfig}.
 *
 * @param vocabSize rows of the token table
 * @param hiddenSize width D of the tokens
 * @param intermediateSize hidden width of each MLP
 * @param numLayers number of blocks
 * @param numHeads heads of each attention
 * @param positions L, how many tokens a text has, padding included
 * @param activation between the layers of each MLP: the "quick" GELU of OpenAI's models, or the
 *     exact one
 * @param eps added to the variance of each normalisation
 */
public record ClipTextConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numLayers,
    int numHeads,
    int positions,
    Activation activation,
    double eps)
    implements NetworkConfig {

  /** The text encoder of OpenAI's ViT-L/14, which U-ViT was trained with. */
  public static final ClipTextConfig VIT_L_14 =
      new ClipTextConfig(49408, 768, 3072, 12, 12, 77, Activation.QUICK_GELU, 1e-5);

  static final String PREFIX = "text_model.";

  private static final String VIT_L_14_NAME = "clip-vit-large-patch14";

  // More than these is a broken description rather than a model.
  private static final int MAX_LAYERS = 1000;
  private static final int MAX_EXTENT = 1 << 16;
  private static final int MAX_VOCAB = 1 << 20;

  public ClipTextConfig {
    within("vocab_size", vocabSize, MAX_VOCAB);
    within("hidden_size", hiddenSize, MAX_EXTENT);
    within("intermediate_size", intermediateSize, 1 << 20);
    within("num_hidden_layers", numLayers, MAX_LAYERS);
    within("num_attention_heads", numHeads, MAX_EXTENT);
    within("max_position_embeddings", positions, MAX_EXTENT);
    if (hiddenSize % numHeads != 0) {
      throw new IllegalArgumentException(
          "hidden_size " + hiddenSize + " is not a multiple of num_attention_heads " + numHeads);
    }
    if (activation != Activation.QUICK_GELU && activation != Activation.GELU_ERF) {
      throw new IllegalArgumentException(
          "hidden_act is " + activation + ", expected quick_gelu or gelu");
    }
    if (!(eps > 0 && eps < 1)) {
      throw new IllegalArgumentException(
          "layer_norm_eps is " + eps + ", expected more than 0 and less than 1");
    }
  }

  private static void within(String name, int value, int most) {
    if (value < 1 || value > most) {
      throw new IllegalArgumentException(name + " is " + value + ", expected 1 to " + most);
    }
  }

  /** {@code clip-vit-large-patch14}, also with {@code openai/} before it; else nothing. */
  public static Optional<ClipTextConfig> preset(String name) {
    var lower = name.toLowerCase(Locale.ROOT);
    return lower.equals(VIT_L_14_NAME) || lower.equals("openai/" + VIT_L_14_NAME)
        ? Optional.of(VIT_L_14)
        : Optional.empty();
  }

  @Override
  public String model() {
    return "clip-text";
  }

  @Override
  public String name() {
    return equals(VIT_L_14)
        ? VIT_L_14_NAME
        : "CLIP text encoder, depth " + numLayers + ", width " + hiddenSize;
  }

  @Override
  public SequencedMap<String, Shape> stateDict() {
    var keys = new LinkedHashMap<String, Shape>();
    int d = hiddenSize;
    keys.put(PREFIX + "embeddings.token_embedding.weight", Shape.of(vocabSize, d));
    keys.put(PREFIX + "embeddings.position_embedding.weight", Shape.of(positions, d));
    for (int i = 0; i < numLayers; i++) {
      var layer = PREFIX + "encoder.layers." + i + ".";
      pair(keys, layer + "self_attn.k_proj", d, d);
      pair(keys, layer + "self_attn.v_proj", d, d);
      pair(keys, layer + "self_attn.q_proj", d, d);
      pair(keys, layer + "self_attn.out_proj", d, d);
      pair(keys, layer + "layer_norm1", d);
      pair(keys, layer + "mlp.fc1", intermediateSize, d);
      pair(keys, layer + "mlp.fc2", d, intermediateSize);
      pair(keys, layer + "layer_norm2", d);
    }
    pair(keys, PREFIX + "final_layer_norm", d);
    return keys;
  }

  /** A weight, and a bias as long as its first axis. */
  private static void pair(SequencedMap<String, Shape> keys, String prefix, int... dims) {
    keys.put(prefix + ".weight", Shape.of(dims));
    keys.put(prefix + ".bias", Shape.of(dims[0]));
  }

  @Override
  public long multiplyAdds(int batch) {
    long d = hiddenSize;
    // with the causal mask, a token sees half of the others
    long perToken = numLayers * (4 * d * d + 2 * d * intermediateSize + (positions + 1) * d);
    return batch * positions * perToken;
  }
}
