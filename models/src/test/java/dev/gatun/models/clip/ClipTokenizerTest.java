package dev.gatun.models.clip;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.checkpoint.CheckpointException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClipTokenizerTest {
  private static final long SEED = 17;
  private static final String GZ = "bpe_simple_vocab_16e6.txt.gz";

  /** The whole of the published table, read once. */
  private static ClipTokenizer published;

  @TempDir Path dir;

  @BeforeAll
  static void read(@TempDir Path folder) throws IOException {
    Files.write(folder.resolve(GZ), GoldenFiles.bytes("/clip/" + GZ));
    published = ClipTokenizer.open(folder);
  }

  // ------------------------------------------------------------------------------------------
  // every form of the tables gives the ids of transformers

  @ParameterizedTest
  @ValueSource(strings = {"vocab.json", "tokenizer.json", "pairs", GZ, "text"})
  void promptsHaveTheIdsOfTransformers(String form) throws IOException {
    var tokenizer = tokenizer(form);
    var prompts = (JsonArray) Json.parse(golden("prompts.json"));
    assertTrue(prompts.items().size() >= 15);
    for (var item : prompts.items()) {
      var prompt = (JsonObject) item;
      var text = prompt.string("text");
      assertArrayEquals(prompt.longs("ids"), tokenizer.encode(text, 77), text);
    }
    assertEquals(49407, tokenizer.largestId());
  }

  private ClipTokenizer tokenizer(String form) throws IOException {
    switch (form) {
      case "vocab.json" -> {
        Files.writeString(dir.resolve("vocab.json"), golden("vocab.json"));
        Files.writeString(dir.resolve("merges.txt"), golden("merges.txt"));
      }
      case "tokenizer.json" -> huggingFace(pair -> "\"" + pair + "\"");
      case "pairs" -> huggingFace(pair -> "[\"" + pair.replace(" ", "\", \"") + "\"]");
      case GZ -> {
        return published;
      }
      default -> Files.writeString(dir.resolve(GZ.replace(".gz", "")), openAi());
    }
    return ClipTokenizer.open(dir);
  }

  private void huggingFace(UnaryOperator<String> pair) throws IOException {
    var merges =
        golden("merges.txt")
            .lines()
            .skip(1)
            .map(line -> line.replace("\\", "\\\\").replace("\"", "\\\""))
            .map(pair)
            .collect(Collectors.joining(", "));
    Files.writeString(
        dir.resolve("tokenizer.json"),
        "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": %s, \"merges\": [%s]}}"
            .formatted(golden("vocab.json"), merges));
  }

  private static String golden(String file) throws IOException {
    return new String(GoldenFiles.bytes("/goldens/clip-tokenizer/" + file), StandardCharsets.UTF_8);
  }

  private static String openAi() throws IOException {
    try (var in = new GZIPInputStream(ClipTokenizerTest.class.getResourceAsStream("/clip/" + GZ))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '§',
      quoteCharacter = '`',
      value = {
        "A green train is coming down the tracks.§320 1901 3231 533 1171 1136 518 7579 269",
        "a photo of a cat§320 1125 539 320 2368",
        "it's 2023!§585 568 273 271 273 274 256",
        "``§``",
        // as they are typed on telephones
        "it’s 2023!§585 568 273 271 273 274 256",
        "ｉｔ＇ｓ　２０２３！§585 568 273 271 273 274 256",
        "a photo of a cat§320 1125 539 320 2368",
        "<|startoftext|>a<|ENDOFTEXT|>§49406 320 49407"
      })
  void goldenPrompts(String prompt, String ids) {
    long[] expected = new long[77];
    Arrays.fill(expected, 49407);
    expected[0] = 49406;
    var numbers = ids.isEmpty() ? new String[0] : ids.split(" ");
    for (int i = 0; i < numbers.length; i++) {
      expected[i + 1] = Long.parseLong(numbers[i]);
    }
    assertArrayEquals(expected, published.encode(prompt, 77));
  }

  @Test
  void aLongPromptKeepsItsBeginningAndItsEndToken() {
    long[] cut = published.encode("cat ".repeat(200), 77);
    long[] expected = new long[77];
    Arrays.fill(expected, 2368);
    expected[0] = 49406;
    expected[76] = 49407;
    assertArrayEquals(expected, cut);
    assertArrayEquals(new long[] {49406, 2368, 49407}, published.encode("cat cat", 3));
    assertArrayEquals(new long[] {49406, 49407}, published.encode("cat", 2));
    assertThrows(IllegalArgumentException.class, () -> published.encode("cat", 1));
  }

  /** Accents typed apart, and signs that a careless replacement would trip over. */
  @Test
  void cleaning() {
    assertEquals("café", PromptCleaning.clean("  Cafe\u0301\u0000 "));
    assertEquals("a $1 \\ b", PromptCleaning.clean("a ＄1\u2003\u0085＼\n\tb"));
    assertEquals("\"fine\" 'office'", PromptCleaning.clean("“ﬁne” ‘OﬀICE’"));
    assertEquals("東京 🍓", PromptCleaning.clean("東京\u3000🍓\ufeff"));
    assertEquals("", PromptCleaning.clean(" \n\u00a0"));
  }

  // ------------------------------------------------------------------------------------------
  // the algorithm, against the plain one

  @Test
  void joiningIsThatOfThePlainAlgorithm() {
    var random = new Random(SEED);
    for (int round = 0; round < 300; round++) {
      var symbols = new ArrayList<>(List.of("a", "b", "c", "a</w>", "b</w>", "c</w>"));
      var merges = new ArrayList<String>();
      for (int i = 0; i < 12; i++) {
        var left = symbols.get(random.nextInt(symbols.size()));
        var right = symbols.get(random.nextInt(symbols.size()));
        var pair = left + " " + right;
        if (!left.endsWith("</w>") && !merges.contains(pair)) {
          // anywhere: also before the merges that make its parts
          merges.add(random.nextInt(merges.size() + 1), pair);
          if (!symbols.contains(left + right)) {
            symbols.add(left + right);
          }
        }
      }
      var vocabulary = base();
      for (var symbol : symbols) {
        vocabulary.putIfAbsent(symbol, vocabulary.size());
      }
      var pairs = new BytePairs(vocabulary, merges);
      for (int i = 0; i < 20; i++) {
        var word = new StringBuilder();
        for (int n = 1 + random.nextInt(12); n > 0; n--) {
          word.append((char) ('a' + random.nextInt(3)));
        }
        int[] expected =
            plain(word.toString(), merges).stream().mapToInt(vocabulary::get).toArray();
        assertArrayEquals(
            expected,
            pairs.encode(word.toString()),
            () -> word + " by " + merges + ", seed " + SEED);
      }
    }
  }

  /** As the authors wrote it: look for the best pair, join it everywhere, begin again. */
  private static List<String> plain(String word, List<String> merges) {
    var parts = new ArrayList<String>();
    for (char c : word.toCharArray()) {
      parts.add(String.valueOf(c));
    }
    parts.set(parts.size() - 1, parts.getLast() + "</w>");
    while (true) {
      int best = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        int rank = merges.indexOf(parts.get(i) + " " + parts.get(i + 1));
        best = rank >= 0 ? Math.min(best, rank) : best;
      }
      if (best == Integer.MAX_VALUE) {
        return parts;
      }
      for (int i = 0; i + 1 < parts.size(); i++) {
        if (merges.get(best).equals(parts.get(i) + " " + parts.get(i + 1))) {
          parts.set(i, parts.get(i) + parts.remove(i + 1));
        }
      }
    }
  }

  private static Map<String, Integer> base() {
    return new HashMap<>(BytePairs.vocabulary(List.of(), List.of()));
  }

  // ------------------------------------------------------------------------------------------
  // 47: hostile tables and prompts

  @Test
  void aPromptOfAnyLengthTakesLittle() {
    var e =
        assertThrows(
            IllegalArgumentException.class, () -> published.encode("x".repeat(1 << 26), 77));
    assertTrue(e.getMessage().startsWith("the prompt has 67108864 characters"), e.getMessage());
    // the longest that is read, as one word: a plain algorithm would take minutes for it
    long[] ids = published.encode("ab".repeat(1 << 15), 77);
    assertEquals(49407, ids[76]);
    assertTrue(ids[75] < 49406);
    assertEquals(49407, published.encode("é1 ".repeat(20_000), 77)[76]);
    assertEquals(49407, published.encode("\ud800".repeat(1000), 77)[76]);
  }

  @Test
  void nothingInTheRoot() {
    var root = dir.getRoot();
    var e = assertThrows(CheckpointException.class, () -> ClipTokenizer.open(root));
    assertTrue(e.getMessage().startsWith(root + ": has no tokenizer"), e.getMessage());
  }

  @Test
  void nothingThere() throws IOException {
    refused(dir.getFileName().toString(), "has no tokenizer", "vocab.json", "copy those of");
    Files.writeString(dir.resolve("vocab.json"), "{}");
    refused(dir.getFileName().toString(), "has no tokenizer");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"!\": 0|\"!\": -1|token '!' has the id -1, expected 0 to 1048575",
        "\"!\": 0|\"!\": 2147483647|token '!' has the id 2147483647",
        "\"!\": 0|\"!\": 99999999999|key '!' is 99999999999",
        "\"!\": 0|\"!\": 0.5|key '!' is 0.5",
        "\"!\": 0|\"!\": \"0\"|key '!' is a string",
        "\"!\": 0|\"!\": 1|has the id 1, as another token has",
        "\"!\": 0|\"!\": 0, \"!\": 0|key '!' occurs twice",
        "\"!\": 0|\"!\": 0, \"\\u0021\": 7|key '!' occurs twice",
        "\"!\": 0,| |token '!' is missing",
        "<|endoftext|>|<|end|>|has no tokenizer of CLIP: token '<|endoftext|>' is missing"
      })
  void brokenVocabularies(String from, String to, String fact) throws IOException {
    var vocabulary = golden("vocab.json");
    var changed = vocabulary.replace(from, to == null ? "" : to);
    assertTrue(!changed.equals(vocabulary), "nothing was changed");
    Files.writeString(dir.resolve("vocab.json"), changed);
    Files.writeString(dir.resolve("merges.txt"), golden("merges.txt"));
    var e = assertThrows(CheckpointException.class, () -> ClipTokenizer.open(dir));
    sentence(e, fact);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      ignoreLeadingAndTrailingWhitespace = false,
      quoteCharacter = '`',
      value = {
        "i n|i|merge 1 is 'i', expected two tokens",
        "i n|i n t|merge 1 is 'i n t', expected two tokens",
        "i n| in|merge 1 is ' in'",
        "i n|in |merge 1 is 'in '",
        "i n|q q|merge 1 is 'q q', but token 'qq' is missing",
        "t h|i n|merge 2 is 'i n', which an earlier one is too",
        // joins what it makes itself: there is no such token to begin with
        "i n|inn inn|merge 1 is 'inn inn', but token 'inn' is missing"
      })
  void brokenMerges(String from, String to, String fact) throws IOException {
    Files.writeString(dir.resolve("vocab.json"), golden("vocab.json"));
    var merges = golden("merges.txt").replaceFirst("(?m)^" + from + "$", to);
    Files.writeString(dir.resolve("merges.txt"), merges);
    refused("merges.txt", fact);
  }

  @Test
  void filesThatAreNoTables() throws IOException {
    Files.writeString(dir.resolve("merges.txt"), "#version: 0.2\n");
    for (var text : List.of("[1]", "{\"a\": ", "", "[".repeat(1000))) {
      Files.writeString(dir.resolve("vocab.json"), text);
      refused("vocab.json", "JSON");
    }
    Files.writeString(dir.resolve("vocab.json"), golden("vocab.json"));
    Files.write(dir.resolve("merges.txt"), new byte[] {'i', ' ', (byte) 0xFF});
    refused("merges.txt", "is not UTF-8");
    Files.write(dir.resolve("merges.txt"), new byte[(16 << 20) + 1]);
    refused("merges.txt", "more than 16 MiB");
    Files.writeString(dir.resolve("merges.txt"), "\n".repeat(16 << 20));
    refused("merges.txt", "more than 524288 lines");
    Files.delete(dir.resolve("vocab.json"));
    for (var model : List.of("{}", "{\"vocab\": {}, \"merges\": [7]}", "[]")) {
      Files.writeString(dir.resolve("tokenizer.json"), "{\"model\": " + model + "}");
      refused("tokenizer.json", "key '");
    }
  }

  @Test
  void aCompressedFileCannotGrowWithoutEnd() throws IOException {
    var bomb = new ByteArrayOutputStream();
    try (var out = new GZIPOutputStream(bomb)) {
      var zeros = new byte[1 << 20];
      for (int i = 0; i < 64; i++) {
        out.write(zeros);
      }
    }
    Files.write(dir.resolve(GZ), bomb.toByteArray());
    refused(GZ, "more than 16 MiB");
    Files.write(dir.resolve(GZ), new byte[] {1, 2, 3});
    refused(GZ, "cannot be read");
    Files.write(dir.resolve(GZ), Arrays.copyOf(GoldenFiles.bytes("/clip/" + GZ), 100_000));
    refused(GZ, "cannot be read");
    var short1 = new ByteArrayOutputStream();
    try (var out = new GZIPOutputStream(short1)) {
      out.write("version\ni n\nt h\n".getBytes(StandardCharsets.UTF_8));
    }
    Files.write(dir.resolve(GZ), short1.toByteArray());
    refused(GZ, "has 2 merges, expected 48894 or more");
  }

  private void refused(String file, String... facts) {
    var e = assertThrows(CheckpointException.class, () -> ClipTokenizer.open(dir));
    assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    sentence(e, facts);
  }

  private static void sentence(Exception e, String... facts) {
    var message = e.getMessage();
    assertTrue(message.length() < 400 && message.indexOf('\n') < 0, message);
    for (var fact : facts) {
      assertTrue(message.contains(fact), () -> "'" + fact + "' is not said in: " + message);
    }
  }
}
