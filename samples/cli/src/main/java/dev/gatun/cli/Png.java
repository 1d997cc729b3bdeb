package dev.gatun.cli;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;

/**
 * Writes a picture as PNG (ISO/IEC 15948), 8 bits of red, green and blue, with a text beside it.
 *
 * <p>{@code javax.imageio} does this as well, but takes 120 ms for its first file, which is more
 * than a step of a small network.
 */
final class Png {
  private static final long SIGNATURE = 0x89504E470D0A1A0AL;
  private static final int TRUE_COLOUR = 2;
  private static final int SUB = 1;

  private Png() {}

  /**
   * Writes the picture.
   *
   * @param keyword of the text, 1 to 79 letters
   * @param text in a {@code tEXt} chunk, or in {@code iTXt} where Latin-1 cannot write it
   */
  static void write(BufferedImage image, String keyword, String text, OutputStream to)
      throws IOException {
    var out = new DataOutputStream(to);
    out.writeLong(SIGNATURE);

    var header = new ByteArrayOutputStream();
    var fields = new DataOutputStream(header);
    fields.writeInt(image.getWidth());
    fields.writeInt(image.getHeight());
    fields.write(new byte[] {8, TRUE_COLOUR, 0, 0, 0}); // deflate, the five filters, no interlace
    chunk(out, "IHDR", header.toByteArray());

    if (StandardCharsets.ISO_8859_1.newEncoder().canEncode(text)) {
      chunk(out, "tEXt", (keyword + "\0" + text).getBytes(StandardCharsets.ISO_8859_1));
    } else {
      // not compressed, without language and translated keyword
      chunk(out, "iTXt", (keyword + "\0\0\0\0\0" + text).getBytes(StandardCharsets.UTF_8));
    }
    chunk(out, "IDAT", pixels(image));
    chunk(out, "IEND", new byte[0]);
    out.flush();
  }

  /** Every row as differences of neighbours, which deflate packs tighter than the levels. */
  private static byte[] pixels(BufferedImage image) throws IOException {
    var packed = new ByteArrayOutputStream();
    var deflater = new Deflater(Deflater.DEFAULT_COMPRESSION);
    try (var deflate = new DeflaterOutputStream(packed, deflater)) {
      int[] colours = new int[image.getWidth()];
      byte[] row = new byte[1 + 3 * colours.length];
      for (int y = 0; y < image.getHeight(); y++) {
        image.getRGB(0, y, colours.length, 1, colours, 0, colours.length);
        row[0] = SUB;
        int left = 0;
        for (int x = 0; x < colours.length; x++) {
          int colour = colours[x];
          row[3 * x + 1] = (byte) ((colour >> 16) - (left >> 16));
          row[3 * x + 2] = (byte) ((colour >> 8) - (left >> 8));
          row[3 * x + 3] = (byte) (colour - left);
          left = colour;
        }
        deflate.write(row);
      }
    } finally {
      deflater.end();
    }
    return packed.toByteArray();
  }

  private static void chunk(DataOutputStream out, String type, byte[] data) throws IOException {
    byte[] name = type.getBytes(StandardCharsets.US_ASCII);
    var crc = new CRC32();
    crc.update(name);
    crc.update(data);
    out.writeInt(data.length);
    out.write(name);
    out.write(data);
    out.writeInt((int) crc.getValue());
  }
}
