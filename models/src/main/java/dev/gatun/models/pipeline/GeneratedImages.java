package dev.gatun.models.pipeline;

import java.awt.image.BufferedImage;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.zip.CRC32;

/**
 * Pictures that a pipeline made, with how it made them.
 *
 * @param count how many
 * @param height in pixels
 * @param width in pixels
 * @param channels 1 for grey, 3 for red, green, blue
 * @param samples as the sampler left them, about -1 to 1, {@code [count, height, width, channels]}
 * @param labels the class of each picture; empty for a model without classes
 * @param rounding how a pixel becomes a byte
 * @param parameters what would make them again: model, seed, sampler, steps, guidance and so on
 */
public record GeneratedImages(
    int count,
    int height,
    int width,
    int channels,
    float[] samples,
    long[] labels,
    Rounding rounding,
    SequencedMap<String, String> parameters) {

  /**
   * Checks that all goes together; the arrays are taken as they are, not copied.
   *
   * @throws IllegalArgumentException if a size is below 1, or if there are not as many samples as
   *     the sizes say, or labels but not one for each picture
   */
  public GeneratedImages {
    Objects.requireNonNull(samples, "samples");
    Objects.requireNonNull(labels, "labels");
    Objects.requireNonNull(rounding, "rounding");
    Objects.requireNonNull(parameters, "parameters");
    if (count < 1 || height < 1 || width < 1 || channels < 1) {
      throw new IllegalArgumentException(
          "%d pictures of %d×%d pixels with %d channels: expected numbers from 1"
              .formatted(count, width, height, channels));
    }
    // divided, since the product may be larger than any number
    long pixels = (long) height * width;
    if (samples.length / pixels / channels != count || samples.length % (pixels * channels) != 0) {
      throw new IllegalArgumentException(
          "%d samples for %d pictures of %d×%d pixels with %d channels: expected one for each channel of each pixel"
              .formatted(samples.length, count, width, height, channels));
    }
    if (labels.length != 0 && labels.length != count) {
      throw new IllegalArgumentException(
          labels.length + " labels for " + count + " pictures: expected one for each, or none");
    }
  }

  /** Space between the pictures of a grid, in pixels. */
  private static final int PADDING = 2;

  /** The bytes of the pictures, {@code [count, height, width, channels]}. */
  public byte[] bytes() {
    byte[] bytes = new byte[samples.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) rounding.level(samples[i]);
    }
    return bytes;
  }

  /** One of the pictures, for itself. */
  GeneratedImages one(int index) {
    int size = height * width * channels;
    return new GeneratedImages(
        1,
        height,
        width,
        channels,
        Arrays.copyOfRange(samples, index * size, (index + 1) * size),
        labels.length == 0 ? labels : new long[] {labels[index]},
        rounding,
        parameters);
  }

  /** A checksum of the bytes of all pictures and of their classes. */
  String digest() {
    var crc = new CRC32();
    crc.update(bytes());
    for (long label : labels) {
      crc.update(Long.toString(label).getBytes(StandardCharsets.US_ASCII));
    }
    return Long.toHexString(crc.getValue());
  }

  /** One picture. */
  public BufferedImage image(int index) {
    if (index < 0 || index >= count) {
      throw new IndexOutOfBoundsException("picture " + index + " of " + count);
    }
    var image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    draw(index, image, 0, 0);
    return image;
  }

  /** All pictures on one sheet, row by row, with a small black space between them. */
  public BufferedImage grid() {
    int columns = columns(count);
    int rows = Math.ceilDiv(count, columns);
    var sheet =
        new BufferedImage(
            columns * (width + PADDING) + PADDING,
            rows * (height + PADDING) + PADDING,
            BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < count; i++) {
      draw(
          i,
          sheet,
          PADDING + i % columns * (width + PADDING),
          PADDING + i / columns * (height + PADDING));
    }
    return sheet;
  }

  /** About as many columns as rows; one more where that leaves no hole. */
  private static int columns(int count) {
    int columns = (int) Math.ceil(Math.sqrt(count));
    return count % columns != 0 && count % (columns + 1) == 0 ? columns + 1 : columns;
  }

  private void draw(int index, BufferedImage onto, int left, int top) {
    int at = index * height * width * channels;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++, at += channels) {
        int red = rounding.level(samples[at]);
        int green = channels < 3 ? red : rounding.level(samples[at + 1]);
        int blue = channels < 3 ? red : rounding.level(samples[at + 2]);
        onto.setRGB(left + x, top + y, red << 16 | green << 8 | blue);
      }
    }
  }

  /** The parameters on one line, as in {@code model: dit-fruit, seed: 7}. */
  public String describe() {
    var text = new StringBuilder();
    for (Map.Entry<String, String> entry : parameters.entrySet()) {
      text.append(text.isEmpty() ? "" : ", ")
          .append(entry.getKey())
          .append(": ")
          .append(entry.getValue());
    }
    return text.toString();
  }
}
