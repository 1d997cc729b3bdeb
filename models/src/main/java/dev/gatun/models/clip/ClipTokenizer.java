package dev.gatun.models.clip;

import dev.gatun.models.checkpoint.CheckpointException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Turns prompts into the ids that CLIP's text encoder reads, as Hugging Face's {@code
 * CLIPTokenizer} does: the prompt is cleaned and put in lower case, split into words, numerals and
 * punctuation, and each piece is encoded by byte pairs; the ids stand between those of {@code
 * <|startoftext|>} and {@code <|endoftext|>}, are cut to the length of the encoder (keeping the
 * end), and padded with {@code <|endoftext|>}, not with 0.
 *
 * <p>Safe for several threads.
 */
public final class ClipTokenizer {
  /** More than anybody reads, and little enough to be encoded at once. */
  private static final int MAX_PROMPT = 1 << 16;

  private static final String START = "<|startoftext|>";
  private static final String END = "<|endoftext|>";

  private static final Pattern PIECES =
      Pattern.compile(
          "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d"
              + "|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}]+",
          Pattern.CASE_INSENSITIVE);

  private final BytePairs pairs;
  private final int start;
  private final int end;

  private ClipTokenizer(BytePairs pairs) {
    this.pairs = pairs;
    start = pairs.id(START);
    end = pairs.id(END);
  }

  /**
   * Reads the tables of a tokenizer.
   *
   * @param directory has {@code vocab.json} and {@code merges.txt}, or {@code tokenizer.json}, or
   *     OpenAI's {@code bpe_simple_vocab_16e6.txt}, which may be gzipped ({@code .gz})
   * @throws CheckpointException if none is there, or if it is not sound
   */
  public static ClipTokenizer open(Path directory) throws CheckpointException {
    var pairs = TokenizerFiles.read(directory, List.of(START, END));
    try {
      return new ClipTokenizer(pairs);
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(
          TokenizerFiles.name(directory), "has no tokenizer of CLIP: " + e.getMessage(), e);
    }
  }

  /** The largest id that it gives, for which the encoder must have a token. */
  public int largestId() {
    return pairs.largest();
  }

  /** Of its tables; on every machine the same. */
  int checksum() {
    return pairs.checksum();
  }

  /**
   * The ids of a prompt.
   *
   * @param length how many there are to be, 77 for CLIP's text encoders; at least 2
   * @throws IllegalArgumentException if the prompt has more than 65536 characters
   */
  public long[] encode(String prompt, int length) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "a prompt of " + length + " tokens does not exist: its start and its end are two");
    }
    requireReadable(prompt);
    var ids = new long[length];
    Arrays.fill(ids, end);
    ids[0] = start;
    int count = 1;
    var pieces = PIECES.matcher(PromptCleaning.clean(prompt));
    while (count < length - 1 && pieces.find()) {
      for (int id : piece(pieces.group())) {
        if (count < length - 1) {
          ids[count++] = id;
        }
      }
    }
    return ids;
  }

  /**
   * Requires that a prompt is not too long to be encoded.
   *
   * @throws IllegalArgumentException if it has more than 65536 characters
   */
  public static void requireReadable(String prompt) {
    if (prompt.length() > MAX_PROMPT) {
      throw new IllegalArgumentException(
          "the prompt has %d characters, of which an encoder reads only the first tokens; expected %d or fewer"
              .formatted(prompt.length(), MAX_PROMPT));
    }
  }

  private int[] piece(String piece) {
    return switch (piece) {
      case START -> new int[] {start};
      case END -> new int[] {end};
      default -> pairs.encode(piece);
    };
  }
}
