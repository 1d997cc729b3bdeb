package dev.gatun.models.clip;

import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.json.JsonException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;

/** Reads the tables of a tokenizer in each of the forms that they are published in. */
final class TokenizerFiles {
  private static final String VOCABULARY = "vocab.json";
  private static final String MERGES = "merges.txt";
  private static final String TOKENIZER = "tokenizer.json";
  private static final List<String> OPEN_AI =
      List.of("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt");

  /** Five times the largest of the published files. */
  private static final int MAX_BYTES = 16 << 20;

  /** Four times what the published files hold. */
  private static final int MAX_VALUES = 1 << 20;

  /** Twice what the longest of the published files has. */
  private static final int MAX_LINES = 1 << 19;

  /** How many merges of OpenAI's file are in use: those that make the vocabulary 49408. */
  private static final int OPEN_AI_MERGES = 49152 - 256 - 2;

  private TokenizerFiles() {}

  /**
   * The tables in a directory: {@code vocab.json} with {@code merges.txt}, else {@code
   * tokenizer.json}, else OpenAI's {@code bpe_simple_vocab_16e6.txt}, which may be gzipped.
   */
  static BytePairs read(Path directory, List<String> special) throws CheckpointException {
    var vocabulary = directory.resolve(VOCABULARY);
    var merges = directory.resolve(MERGES);
    if (Files.isRegularFile(vocabulary) && Files.isRegularFile(merges)) {
      var ids = ids(VOCABULARY, object(vocabulary));
      return tables(MERGES, ids, lines(merges, false));
    }
    var tokenizer = directory.resolve(TOKENIZER);
    if (Files.isRegularFile(tokenizer)) {
      return huggingFace(object(tokenizer));
    }
    for (var name : OPEN_AI) {
      var file = directory.resolve(name);
      if (Files.isRegularFile(file)) {
        return openAi(name, lines(file, true), special);
      }
    }
    throw new CheckpointException(
        name(directory),
        "has no tokenizer: neither "
            + VOCABULARY
            + " with "
            + MERGES
            + " nor "
            + TOKENIZER
            + " nor "
            + OPEN_AI.getLast()
            + "; copy those of openai/clip-vit-large-patch14 there");
  }

  /** A directory for messages; the root has no name of its own. */
  static String name(Path directory) {
    var name = directory.getFileName();
    return (name == null ? directory : name).toString();
  }

  private static BytePairs huggingFace(JsonObject json) throws CheckpointException {
    try {
      var model = json.object("model");
      var pairs = new ArrayList<String>();
      for (var item : model.array("merges").items()) {
        pairs.add(pair(item));
      }
      return tables(TOKENIZER, ids(TOKENIZER, model.object("vocab")), pairs);
    } catch (JsonException e) {
      throw new CheckpointException(TOKENIZER, e.getMessage(), e);
    }
  }

  /** A merge: {@code "i n"}, or since 2024 {@code ["i", "n"]}. */
  private static String pair(Json item) {
    if (item instanceof JsonString(var pair)) {
      return pair;
    }
    if (item instanceof JsonArray(var parts)
        && parts.size() == 2
        && parts.get(0) instanceof JsonString(var left)
        && parts.get(1) instanceof JsonString(var right)) {
      return left + " " + right;
    }
    throw new JsonException("key 'merges' holds " + item.kind() + ", expected two tokens");
  }

  private static BytePairs openAi(String file, List<String> pairs, List<String> special)
      throws CheckpointException {
    if (pairs.size() < OPEN_AI_MERGES) {
      throw new CheckpointException(
          file,
          "has %d merges, expected %d or more; download it again"
              .formatted(pairs.size(), OPEN_AI_MERGES));
    }
    var used = pairs.subList(0, OPEN_AI_MERGES);
    try {
      return tables(file, BytePairs.vocabulary(used, special), used);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file, e.getMessage(), e);
    }
  }

  private static BytePairs tables(String file, Map<String, Integer> ids, List<String> pairs)
      throws CheckpointException {
    try {
      return new BytePairs(ids, pairs);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file, e.getMessage() + "; download the tokenizer again", e);
    }
  }

  private static Map<String, Integer> ids(String file, JsonObject vocabulary)
      throws CheckpointException {
    var ids = new HashMap<String, Integer>();
    try {
      for (var token : vocabulary.members().keySet()) {
        ids.put(token, vocabulary.integer(token));
      }
    } catch (JsonException e) {
      throw new CheckpointException(file, CheckpointException.show(e.getMessage()), e);
    }
    return ids;
  }

  private static JsonObject object(Path file) throws CheckpointException {
    var name = file.getFileName().toString();
    try {
      if (Json.parse(bytes(file), MAX_VALUES) instanceof JsonObject object) {
        return object;
      }
      throw new CheckpointException(name, "is JSON, but not an object; download it again");
    } catch (JsonException e) {
      throw new CheckpointException(name, "is not sound JSON: " + e.getMessage(), e);
    }
  }

  /**
   * The merges in a text file, one a line, after a line that tells the version.
   *
   * @param headed whether the first line is no merge, whatever it says
   */
  private static List<String> lines(Path file, boolean headed) throws CheckpointException {
    var name = file.getFileName().toString();
    try {
      var text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes(file)));
      var lines = new ArrayList<>(text.toString().lines().limit(MAX_LINES + 1).toList());
      if (lines.size() > MAX_LINES) {
        throw new CheckpointException(
            name, "has more than " + MAX_LINES + " lines; download it again");
      }
      if (!lines.isEmpty() && (headed || lines.getFirst().startsWith("#version"))) {
        lines.removeFirst();
      }
      while (!lines.isEmpty() && lines.getLast().isBlank()) {
        lines.removeLast();
      }
      return lines;
    } catch (CharacterCodingException e) {
      throw new CheckpointException(name, "is not UTF-8; download it again", e);
    }
  }

  private static byte[] bytes(Path file) throws CheckpointException {
    var name = file.getFileName().toString();
    try (var in = open(file)) {
      byte[] bytes = in.readNBytes(MAX_BYTES + 1);
      if (bytes.length > MAX_BYTES) {
        throw new CheckpointException(
            name, "has more than 16 MiB, which no tokenizer of CLIP does; download it again");
      }
      return bytes;
    } catch (CheckpointException e) {
      throw e;
    } catch (IOException e) {
      throw new CheckpointException(name, "cannot be read: " + e.getMessage(), e);
    }
  }

  private static InputStream open(Path file) throws IOException {
    var in = Files.newInputStream(file);
    if (!file.toString().endsWith(".gz")) {
      return in;
    }
    try {
      return new GZIPInputStream(in);
    } catch (IOException e) {
      in.close();
      throw e;
    }
  }
}
