package dev.gatun.models.clip;

import dev.gatun.models.checkpoint.CheckpointException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;

/**
 * Byte-level byte-pair encoding (Sennrich et al., 2016; bytes as in GPT-2): a piece of text begins
 * as its bytes, the last with {@code </w>}, and the pair of neighbours that stands first in the
 * table of merges is joined, everywhere and left to right, until there is none.
 *
 * <p>The tables are proven when they are made: every byte has a token, every merge has its parts
 * and its result, no id and no merge occurs twice. A piece of n bytes takes O(n log n) time.
 */
final class BytePairs {
  private static final String END_OF_WORD = "</w>";

  /** More than any vocabulary has. */
  private static final int MAX_ID = 1 << 20;

  private record Merge(int rank, int id) {}

  private final Map<String, Integer> vocabulary;
  private final Map<Long, Merge> merges = new HashMap<>();
  private final int[] bytes = new int[256];
  private final int[] lastBytes = new int[256];
  private final int checksum;

  /**
   * The tables.
   *
   * @param vocabulary tokens with their ids
   * @param pairs what is joined, first things first, such as {@code "i n"}
   * @throws IllegalArgumentException if they are not sound; the message says what is the matter
   */
  BytePairs(Map<String, Integer> vocabulary, List<String> pairs) {
    this.vocabulary = vocabulary;
    checksum = 31 * vocabulary.hashCode() + pairs.hashCode();
    var seen = new HashSet<Integer>();
    for (var entry : vocabulary.entrySet()) {
      int id = entry.getValue();
      if (id < 0 || id >= MAX_ID || !seen.add(id)) {
        throw new IllegalArgumentException(
            "token %s has the id %d, %s"
                .formatted(
                    show(entry.getKey()),
                    id,
                    id < 0 || id >= MAX_ID
                        ? "expected 0 to " + (MAX_ID - 1)
                        : "as another token has"));
      }
    }
    var alphabet = alphabet();
    for (int b = 0; b < 256; b++) {
      var token = String.valueOf(alphabet[b]);
      bytes[b] = id(token);
      lastBytes[b] = id(token + END_OF_WORD);
    }
    for (int rank = 0; rank < pairs.size(); rank++) {
      add(rank, pairs.get(rank));
    }
  }

  private void add(int rank, String pair) {
    int blank = pair.indexOf(' ');
    if (blank < 1 || blank == pair.length() - 1 || pair.indexOf(' ', blank + 1) >= 0) {
      throw new IllegalArgumentException(
          "merge %d is %s, expected two tokens and a blank between them"
              .formatted(rank + 1, show(pair)));
    }
    var left = pair.substring(0, blank);
    var right = pair.substring(blank + 1);
    for (var token : List.of(left, right, left + right)) {
      if (!vocabulary.containsKey(token)) {
        throw new IllegalArgumentException(
            "merge %d is %s, but token %s is missing from the vocabulary"
                .formatted(rank + 1, show(pair), show(token)));
      }
    }
    var merge = new Merge(rank, id(left + right));
    if (merges.putIfAbsent(key(id(left), id(right)), merge) != null) {
      throw new IllegalArgumentException(
          "merge %d is %s, which an earlier one is too".formatted(rank + 1, show(pair)));
    }
  }

  /**
   * The characters that stand for bytes in the tables: themselves where they are printable, else
   * from 256 on.
   */
  static char[] alphabet() {
    var alphabet = new char[256];
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      alphabet[b] = (char) (printable ? b : next++);
    }
    return alphabet;
  }

  /**
   * The vocabulary that goes with a table of merges in OpenAI's order: bytes as the printable ones
   * and then the others, the same at the end of a word, what is merged, and the special tokens.
   */
  static Map<String, Integer> vocabulary(List<String> pairs, List<String> special) {
    var alphabet = new ArrayList<Character>();
    for (char c : alphabet()) {
      alphabet.add(c);
    }
    alphabet.sort(null);
    var tokens = new ArrayList<String>();
    alphabet.forEach(c -> tokens.add(String.valueOf(c)));
    alphabet.forEach(c -> tokens.add(c + END_OF_WORD));
    pairs.forEach(pair -> tokens.add(pair.replace(" ", "")));
    tokens.addAll(special);
    var ids = new HashMap<String, Integer>();
    for (var token : tokens) {
      if (ids.put(token, ids.size()) != null) {
        throw new IllegalArgumentException("token " + show(token) + " is made twice");
      }
    }
    return ids;
  }

  /**
   * The id of a token.
   *
   * @throws IllegalArgumentException if there is no such token
   */
  int id(String token) {
    var id = vocabulary.get(token);
    if (id == null) {
      throw new IllegalArgumentException(
          "token " + show(token) + " is missing from the vocabulary");
    }
    return id;
  }

  /** The largest id. */
  int largest() {
    return vocabulary.values().stream().mapToInt(Integer::intValue).max().orElse(0);
  }

  /** Of all tokens and merges; on every machine the same. */
  int checksum() {
    return checksum;
  }

  /** The ids of a piece of text, which is not empty. */
  int[] encode(String piece) {
    byte[] utf8 = piece.getBytes(StandardCharsets.UTF_8);
    int[] symbols = new int[utf8.length];
    for (int i = 0; i < symbols.length; i++) {
      symbols[i] = (i == symbols.length - 1 ? lastBytes : bytes)[utf8[i] & 0xFF];
    }
    return new Joining(symbols).join();
  }

  private static long key(int left, int right) {
    return (long) left << 32 | right;
  }

  private static String show(String token) {
    return CheckpointException.show("'" + token + "'");
  }

  /** The symbols of one piece, a list whose neighbours are joined in place. */
  private final class Joining {
    private final int[] symbols;
    private final int[] next;
    private final int[] previous;

    /** Pairs that can be joined, as rank and place of the left one; some are no more. */
    private final PriorityQueue<Long> pairs = new PriorityQueue<>();

    Joining(int[] symbols) {
      this.symbols = symbols;
      next = new int[symbols.length];
      previous = new int[symbols.length];
      for (int i = 0; i < symbols.length; i++) {
        next[i] = i + 1;
        previous[i] = i - 1;
      }
    }

    int[] join() {
      for (int i = 0; i < symbols.length; i++) {
        offer(i);
      }
      var touched = new ArrayList<Integer>();
      while (!pairs.isEmpty()) {
        // All pairs of the lowest rank first, then what came to be beside them: a table may rank
        // a pair before one that it is made of.
        int rank = (int) (pairs.peek() >> 32);
        touched.clear();
        while (!pairs.isEmpty() && (int) (pairs.peek() >> 32) == rank) {
          int left = pairs.poll().intValue();
          var merge = merge(left);
          if (merge != null && merge.rank == rank) {
            replace(left, merge.id);
            touched.add(left);
          }
        }
        for (int left : touched) {
          if (symbols[left] >= 0) {
            offer(left);
            offer(previous[left]);
          }
        }
      }
      int count = 0;
      for (int i = 0; i < symbols.length; i = next[i]) {
        symbols[count++] = symbols[i];
      }
      return Arrays.copyOf(symbols, count);
    }

    private void offer(int left) {
      var merge = left < 0 ? null : merge(left);
      if (merge != null) {
        pairs.add((long) merge.rank << 32 | left);
      }
    }

    /** What joins a symbol with the one after it, or null. */
    private Merge merge(int left) {
      int right = symbols[left] < 0 ? symbols.length : next[left];
      return right == symbols.length ? null : merges.get(key(symbols[left], symbols[right]));
    }

    private void replace(int left, int id) {
      int right = next[left];
      symbols[left] = id;
      symbols[right] = -1;
      next[left] = next[right];
      if (next[left] < symbols.length) {
        previous[next[left]] = left;
      }
    }
  }
}
