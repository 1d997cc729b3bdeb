package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The beginning of an array in NumPy's {@code .npy} format (NEP 1): a magic number, a version, and
 * a Python dictionary with type, order and shape. NumPy evaluates that as an expression; here it
 * must be exactly such a dictionary.
 */
final class NpyHeader {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};

  /** Magic, version, and a length of four bytes: how many are needed to know the rest's length. */
  static final int PREFIX = 12;

  /** As in NumPy: what needs more is no array of numbers. */
  static final int MAX_LENGTH = 10_000;

  private static final int ALIGNMENT = 64;

  /**
   * What a header says.
   *
   * @param length bytes of the header, after which the elements follow
   */
  record Layout(int length, DType dtype, long[] dims) {}

  private final Source source;
  private final String member;
  private final String text;
  private int at;

  private NpyHeader(Source source, String member, String text) {
    this.source = source;
    this.member = member;
    this.text = text;
  }

  /**
   * Reads a header.
   *
   * @param source the file, for messages
   * @param bytes the first bytes of the member: {@link #PREFIX} + {@link #MAX_LENGTH}, or all
   */
  static Layout read(Source source, String member, byte[] bytes) throws CheckpointException {
    int magic = MAGIC.length;
    if (bytes.length < PREFIX || !Arrays.equals(MAGIC, 0, magic, bytes, 0, magic)) {
      throw error(source, member, "is no array in the .npy format");
    }
    int version = bytes[magic];
    if (version < 1 || version > 3 || bytes[magic + 1] != 0) {
      throw error(
          source,
          member,
          "is in version %d.%d of the .npy format, 1.0 to 3.0 can be read"
              .formatted(version, bytes[magic + 1]));
    }
    int begin = version == 1 ? magic + 4 : magic + 6;
    long length = 0;
    for (int i = begin - 1; i >= magic + 2; i--) {
      length = length << 8 | bytes[i] & 0xFF;
    }
    if (length > MAX_LENGTH || length > bytes.length - begin) {
      throw error(
          source,
          member,
          "has a header of "
              + length
              + " bytes, expected at most "
              + Math.min(MAX_LENGTH, bytes.length - begin));
    }
    var text = new String(bytes, begin, (int) length, StandardCharsets.ISO_8859_1);
    return new NpyHeader(source, member, text).dictionary(begin + (int) length);
  }

  /** {@code {'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }}, in any order. */
  private Layout dictionary(int length) throws CheckpointException {
    DType dtype = null;
    Boolean fortran = null;
    long[] dims = null;
    expect("{");
    while (!accept("}")) {
      var key = string();
      expect(":");
      switch (key) {
        case "descr" -> {
          require(dtype == null, "'descr' once");
          dtype = dtype();
        }
        case "fortran_order" -> {
          require(fortran == null, "'fortran_order' once");
          fortran = accept("True");
          require(fortran || accept("False"), "True or False");
        }
        case "shape" -> {
          require(dims == null, "'shape' once");
          dims = tuple();
        }
        default -> throw error("has the key '" + CheckpointException.show(key) + "' in its header");
      }
      if (!accept(",")) {
        expect("}");
        break;
      }
    }
    require(text.substring(at).isBlank(), "its end");
    require(dtype != null && fortran != null && dims != null, "'descr', 'fortran_order', 'shape'");
    if (fortran && dims.length > 1) {
      throw error("is in Fortran order; save numpy.ascontiguousarray of it");
    }
    return new Layout(length, dtype, dims);
  }

  private DType dtype() throws CheckpointException {
    if (accept("[")) {
      throw error("is an array of records; save its fields apart");
    }
    var descr = string();
    return switch (descr) {
      case "|u1" -> DType.U8;
      case "|i1" -> DType.I8;
      case "|b1" -> DType.BOOL;
      case "<i2" -> DType.I16;
      case "<i4" -> DType.I32;
      case "<i8" -> DType.I64;
      case "<f2" -> DType.F16;
      case "<f4" -> DType.F32;
      case "<f8" -> DType.F64;
      default ->
          throw error(
              "has elements of the type '"
                  + CheckpointException.show(descr)
                  + (descr.endsWith("O")
                      ? "', Python objects, which are never read"
                      : "', which cannot be read; save it as one of u1, i1, i2, i4, i8, f2, f4, f8"));
    };
  }

  /** {@code ()}, {@code (2,)} or {@code (2, 3)}. */
  private long[] tuple() throws CheckpointException {
    var items = new ArrayList<Long>();
    expect("(");
    while (!accept(")")) {
      items.add(number());
      if (!accept(",")) {
        require(items.size() > 1, "a tuple");
        expect(")");
        break;
      }
    }
    return items.stream().mapToLong(Long::longValue).toArray();
  }

  private long number() throws CheckpointException {
    skip();
    int begin = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    require(at > begin && at - begin < 19, "a whole number");
    return Long.parseLong(text.substring(begin, at));
  }

  private String string() throws CheckpointException {
    skip();
    char quote = at < text.length() ? text.charAt(at) : 0;
    require(quote == '\'' || quote == '"', "a string");
    int end = text.indexOf(quote, at + 1);
    require(end > 0, "the end of a string");
    var string = text.substring(at + 1, end);
    require(string.indexOf('\\') < 0, "a string without escapes");
    at = end + 1;
    return string;
  }

  private boolean accept(String token) {
    skip();
    boolean there = text.startsWith(token, at);
    at += there ? token.length() : 0;
    return there;
  }

  private void expect(String token) throws CheckpointException {
    require(accept(token), "'" + token + "'");
  }

  private void skip() {
    while (at < text.length() && (text.charAt(at) == ' ' || text.charAt(at) == '\n')) {
      at++;
    }
  }

  private void require(boolean holds, String expected) throws CheckpointException {
    if (!holds) {
      throw error(
          "has a header that NumPy does not write: expected "
              + expected
              + " at character "
              + at
              + " of "
              + CheckpointException.show(text.strip()));
    }
  }

  private CheckpointException error(String sentence) {
    return error(source, member, sentence);
  }

  static CheckpointException error(Source source, String member, String sentence) {
    return source.error("its member " + CheckpointException.show(member) + " " + sentence);
  }

  /** The header of an array that is to be written, as NumPy writes it. */
  static byte[] write(DType dtype, Shape shape) {
    var descr =
        switch (dtype) {
          case U8 -> "|u1";
          case I64 -> "<i8";
          default -> throw new IllegalArgumentException("arrays of " + dtype + " are not written");
        };
    var dims = Arrays.stream(shape.dims()).mapToObj(Integer::toString);
    var tuple = dims.collect(Collectors.joining(", ")) + (shape.rank() == 1 ? "," : "");
    var text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }".formatted(descr, tuple);
    int begin = MAGIC.length + 4;
    int length = Math.ceilDiv(begin + text.length() + 1, ALIGNMENT) * ALIGNMENT;
    byte[] header = Arrays.copyOf(MAGIC, length);
    Arrays.fill(header, MAGIC.length, length, (byte) ' ');
    header[MAGIC.length] = 1;
    header[MAGIC.length + 1] = 0;
    header[MAGIC.length + 2] = (byte) (length - begin);
    header[MAGIC.length + 3] = (byte) (length - begin >> 8);
    byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, header, begin, ascii.length);
    header[length - 1] = '\n';
    return header;
  }
}
