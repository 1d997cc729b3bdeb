package dev.gatun.models.clip;

import java.text.Normalizer;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What Hugging Face's {@code CLIPTokenizer} does to a prompt before it splits it: the parts of
 * {@code ftfy.fix_text} that a text which is text already needs (curly quotes, ligatures, full and
 * half width, control characters, composed accents), blanks collapsed, lower case. The repair of
 * wrongly decoded bytes and of HTML entities is left out: a Java string was decoded by somebody who
 * knew how.
 */
final class PromptCleaning {
  private static final Pattern COMPATIBLE =
      Pattern.compile("[\\ufb00-\\ufb06\\uff01-\\uffee\\u3000]");
  private static final Pattern SINGLE_QUOTES = Pattern.compile("[\\u02bc\\u2018-\\u201b]");
  private static final Pattern DOUBLE_QUOTES = Pattern.compile("[\\u201c-\\u201f]");
  private static final Pattern CONTROLS =
      Pattern.compile("[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f\\u206a-\\u206f\\ufeff\\ufff9-\\ufffc]");
  private static final Pattern BLANKS = Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

  private PromptCleaning() {}

  static String clean(String prompt) {
    var text = COMPATIBLE.matcher(prompt).replaceAll(PromptCleaning::compatible);
    text = SINGLE_QUOTES.matcher(text).replaceAll("'");
    text = DOUBLE_QUOTES.matcher(text).replaceAll("\"");
    text = CONTROLS.matcher(text).replaceAll("");
    text = Normalizer.normalize(text, Normalizer.Form.NFC);
    return BLANKS.matcher(text).replaceAll(" ").strip().toLowerCase(Locale.ROOT);
  }

  private static String compatible(MatchResult match) {
    // quoted, since a wide dollar sign becomes one
    return Matcher.quoteReplacement(Normalizer.normalize(match.group(), Normalizer.Form.NFKC));
  }
}
