package dev.gatun.models.clip;

import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.checkpoint.Checkpoint;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.checkpoint.CheckpointParameters;
import dev.gatun.models.checkpoint.Fingerprint;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * From prompts to what a text-to-image network reads: CLIP's tokenizer and text encoder together.
 * The empty prompt gives the condition that means "no text", for guidance.
 *
 * <p>Serves one caller at a time, as its backend does.
 */
public final class ClipText implements AutoCloseable {
  /** Prompts that are encoded together: enough for full kernels, at little memory. */
  private static final int BATCH = 16;

  private static final int MAX_DESCRIPTION = 1 << 20;

  private final ClipTokenizer tokenizer;
  private final ClipTextEncoder encoder;
  private final String fingerprint;

  private ClipText(ClipTokenizer tokenizer, ClipTextEncoder encoder, String fingerprint) {
    this.tokenizer = tokenizer;
    this.encoder = encoder;
    this.fingerprint = fingerprint;
  }

  /**
   * Opens a folder such as a copy of {@code openai/clip-vit-large-patch14}.
   *
   * @param directory holds weights as {@link Checkpoint#open} finds them, a tokenizer as {@link
   *     ClipTokenizer#open} does, and where the weights are of another size than ViT-L/14 a {@code
   *     config.json}
   * @throws CheckpointException if something is missing or not sound
   */
  public static ClipText open(Path directory, Backend backend) throws CheckpointException {
    var tokenizer = ClipTokenizer.open(directory);
    try (var checkpoint = Checkpoint.open(directory)) {
      var encoder = encoder(directory, checkpoint, backend);
      try {
        int vocab = encoder.config().vocabSize();
        if (tokenizer.largestId() >= vocab) {
          throw new CheckpointException(
              checkpoint.name(),
              "has %d tokens, the tokenizer beside it gives ids up to %d; use those of one model"
                  .formatted(vocab, tokenizer.largestId()));
        }
        var description = encoder.config() + " " + tokenizer.checksum();
        return new ClipText(tokenizer, encoder, Fingerprint.of(checkpoint, description));
      } catch (CheckpointException | RuntimeException | Error e) {
        encoder.close();
        throw e;
      }
    }
  }

  private static ClipTextEncoder encoder(Path directory, Checkpoint checkpoint, Backend backend)
      throws CheckpointException {
    var family = new ClipTextFamily();
    var shapes = new LinkedHashMap<String, Shape>();
    checkpoint.tensors().forEach((key, info) -> shapes.put(key, info.shape()));
    var layout = family.layout(shapes);
    if (layout.isEmpty()) {
      throw new CheckpointException(
          checkpoint.name(),
          "holds no CLIP text encoder, which has text_model.embeddings.token_embedding.weight; name"
              + " the folder of openai/clip-vit-large-patch14");
    }
    try {
      var description = description(directory, checkpoint);
      var config =
          description == null ? family.infer(shapes, Hints.NONE) : family.describe(description);
      var parameters = layout.get().adapt(config, new CheckpointParameters(checkpoint));
      return new ClipTextEncoder(config, parameters, backend);
    } catch (IllegalArgumentException | ParameterException e) {
      throw e.getCause() instanceof CheckpointException named
          ? named
          : new CheckpointException(checkpoint.name(), e.getMessage(), e);
    }
  }

  /** What the checkpoint says of itself, else the {@code config.json} beside it, else null. */
  private static JsonObject description(Path directory, Checkpoint checkpoint)
      throws CheckpointException {
    var own = checkpoint.metadata().get("config");
    if (own != null) {
      return object(checkpoint.name(), own.getBytes(StandardCharsets.UTF_8));
    }
    var beside = directory.resolve("config.json");
    if (!Files.isRegularFile(beside)) {
      return null;
    }
    try (var in = Files.newInputStream(beside)) {
      byte[] text = in.readNBytes(MAX_DESCRIPTION + 1);
      if (text.length > MAX_DESCRIPTION) {
        throw new CheckpointException("config.json", "has more than 1 MiB; download it again");
      }
      return object("config.json", text);
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException("config.json", "cannot be read: " + e.getMessage(), e);
    }
  }

  private static JsonObject object(String file, byte[] text) throws CheckpointException {
    try {
      if (Json.parse(text, MAX_DESCRIPTION / 16) instanceof JsonObject object) {
        return object;
      }
      throw new CheckpointException(file, "describes no text encoder: it is not a JSON object");
    } catch (JsonException e) {
      throw new CheckpointException(file, "is not sound JSON: " + e.getMessage(), e);
    }
  }

  /** What the encoder is. */
  public ClipTextConfig config() {
    return encoder.config();
  }

  /** Tells its weights and its tokenizer from others; see {@link Fingerprint}. */
  public String fingerprint() {
    return fingerprint;
  }

  /**
   * Encodes prompts.
   *
   * @return {@code [N, L, D]} on the backend, {@code [N, 77, 768]} for ViT-L/14, owned by the
   *     caller: the last hidden state of each prompt
   * @throws IllegalArgumentException if a prompt has more than 65536 characters
   */
  public Tensor encode(List<String> prompts) {
    var backend = encoder.backend();
    int length = config().positions();
    int n = prompts.size();
    var out = backend.allocate(DType.F32, Shape.of(n, length, config().hiddenSize()));
    try (var workspace = backend.workspace();
        var host = Tensor.allocate(DType.I64, Shape.of(n, length));
        var ids = backend.allocate(DType.I64, host.shape())) {
      for (int i = 0; i < n; i++) {
        long[] prompt = tokenizer.encode(prompts.get(i), length);
        for (int j = 0; j < length; j++) {
          host.setLong((long) i * length + j, prompt[j]);
        }
      }
      backend.copy(host, ids);
      for (int i = 0; i < n; i += BATCH) {
        int end = Math.min(n, i + BATCH);
        encoder.forward(ids.slice(i, end), workspace, out.slice(i, end));
      }
      return out;
    } catch (RuntimeException | Error e) {
      out.close();
      throw e;
    }
  }

  /** Frees the weights. */
  @Override
  public void close() {
    encoder.close();
  }
}
