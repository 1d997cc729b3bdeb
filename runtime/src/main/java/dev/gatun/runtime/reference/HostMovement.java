package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The operators that move numbers in host memory and compute nothing, for every backend whose
 * tensors lie there. The arguments have been checked; an operator allocates nothing.
 */
public final class HostMovement {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private HostMovement() {}

  /** {@link dev.gatun.runtime.Backend#copy}. */
  public static void copy(Tensor from, Tensor to) {
    copy(from, to, 0, from.shape().rows());
  }

  /** Copies the rows {@code first … end - 1} alone. */
  public static void copy(Tensor from, Tensor to, long first, long end) {
    var source = from.segment();
    var target = to.segment();
    int cols = from.shape().cols();
    long bytes = (long) cols * from.dtype().bytes();
    boolean convert = from.dtype() != to.dtype();
    if (!convert && from.isContiguous() && to.isContiguous()) {
      MemorySegment.copy(source, first * bytes, target, first * bytes, (end - first) * bytes);
      return;
    }
    if (cols == 0) {
      return;
    }
    for (long r = first; r < end; r++) {
      long s = r * from.rowStride() * from.dtype().bytes();
      long t = r * to.rowStride() * to.dtype().bytes();
      if (convert) {
        convertRow(source, from.dtype(), s, target, to.dtype(), t, cols);
      } else {
        MemorySegment.copy(source, s, target, t, bytes);
      }
    }
  }

  private static void convertRow(
      MemorySegment source, DType from, long s, MemorySegment target, DType to, long t, int n) {
    for (int i = 0; i < n; i++) {
      float value = read(source, from, s + (long) i * from.bytes());
      write(target, to, t + (long) i * to.bytes(), value);
    }
  }

  private static float read(MemorySegment segment, DType dtype, long at) {
    return switch (dtype) {
      case F32 -> segment.get(FLOAT, at);
      case F16 -> Float.float16ToFloat(segment.get(SHORT, at));
      case BF16 -> Float.intBitsToFloat(segment.get(SHORT, at) << 16);
      case F64, I64, I32, I16, I8, U8, BOOL -> throw new IllegalArgumentException("from " + dtype);
    };
  }

  private static void write(MemorySegment segment, DType dtype, long at, float value) {
    switch (dtype) {
      case F32 -> segment.set(FLOAT, at, value);
      case F16 -> segment.set(SHORT, at, Float.floatToFloat16(value));
      case BF16 -> segment.set(SHORT, at, bfloat16(value));
      case F64, I64, I32, I16, I8, U8, BOOL -> throw new IllegalArgumentException("to " + dtype);
    }
  }

  /** The upper half of a float, rounded to nearest even. */
  private static short bfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40); // rounding could carry a NaN into infinity
    }
    return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
  }

  /** {@link dev.gatun.runtime.Backend#fill}. */
  public static void fill(Tensor out, float value) {
    var target = out.segment();
    int cols = out.shape().cols();
    for (long r = 0; r < out.shape().rows(); r++) {
      long at = row(out, r);
      for (int c = 0; c < cols; c++) {
        target.set(FLOAT, at + 4L * c, value);
      }
    }
  }

  /** {@link dev.gatun.runtime.Backend#toChannelsLast}. */
  public static void toChannelsLast(Tensor nchw, Tensor out) {
    var source = nchw.segment();
    var target = out.segment();
    int batch = nchw.dim(0);
    int channels = nchw.dim(1);
    int height = nchw.dim(2);
    int width = nchw.dim(3);
    for (int n = 0; n < batch; n++) {
      for (int y = 0; y < height; y++) {
        for (int c = 0; c < channels; c++) {
          long s = row(nchw, ((long) n * channels + c) * height + y);
          for (int x = 0; x < width; x++) {
            long t = row(out, ((long) n * height + y) * width + x) + 4L * c;
            target.set(FLOAT, t, source.get(FLOAT, s + 4L * x));
          }
        }
      }
    }
  }

  /** {@link dev.gatun.runtime.Backend#toChannelsFirst}. */
  public static void toChannelsFirst(Tensor nhwc, Tensor out) {
    var source = nhwc.segment();
    var target = out.segment();
    int batch = nhwc.dim(0);
    int height = nhwc.dim(1);
    int width = nhwc.dim(2);
    int channels = nhwc.dim(3);
    for (int n = 0; n < batch; n++) {
      for (int y = 0; y < height; y++) {
        for (int c = 0; c < channels; c++) {
          long t = row(out, ((long) n * channels + c) * height + y);
          for (int x = 0; x < width; x++) {
            long s = row(nhwc, ((long) n * height + y) * width + x) + 4L * c;
            target.set(FLOAT, t + 4L * x, source.get(FLOAT, s));
          }
        }
      }
    }
  }

  /** {@link dev.gatun.runtime.Backend#patchify}. */
  public static void patchify(Tensor x, int patch, Tensor out) {
    patches(x, patch, out, true);
  }

  /** {@link dev.gatun.runtime.Backend#unpatchify}. */
  public static void unpatchify(Tensor x, int patch, Tensor out) {
    patches(out, patch, x, false);
  }

  /**
   * Row by row of each patch, between {@code image [N, H, W, C]} and {@code tokens [N, T, p·p·C]}.
   */
  private static void patches(Tensor image, int patch, Tensor tokens, boolean cut) {
    var pixels = image.segment();
    var cells = tokens.segment();
    int height = image.dim(1);
    int width = image.dim(2);
    long bytes = 4L * image.dim(3);
    // The pixels of a patch that stand side by side do so in its token, too.
    int run = image.isContiguous() ? patch : 1;
    long lines = bytes == 0 ? 0 : (long) image.dim(0) * height;
    for (long line = 0; line < lines; line++) {
      // A line is (image, row of patches, row in the patch), for the patch divides the height.
      long firstToken = line / patch * (width / patch);
      long inPatch = line % patch * patch;
      for (int x = 0; x < width; x += run) {
        long pixel = row(image, line * width + x);
        long cell = row(tokens, firstToken + x / patch) + (inPatch + x % patch) * bytes;
        if (cut) {
          MemorySegment.copy(pixels, pixel, cells, cell, run * bytes);
        } else {
          MemorySegment.copy(cells, cell, pixels, pixel, run * bytes);
        }
      }
    }
  }

  /**
   * A convolution's kernel as rows that a window of a map is multiplied by: {@code [out, in,
   * height, width] → F32 [out, height·width·in]}, channel fastest.
   */
  public static Tensor windowRows(Tensor kernel) {
    if (kernel.dtype() != DType.F32 || !kernel.isContiguous()) {
      try (var floats = Tensor.allocate(DType.F32, kernel.shape())) {
        copy(kernel, floats);
        return windowRows(floats);
      }
    }
    int taps = Math.multiplyExact(kernel.dim(2), kernel.dim(3));
    int length = Math.multiplyExact(taps, kernel.dim(1));
    var rows = Tensor.allocate(DType.F32, Shape.of(kernel.dim(0), length));
    windowRows(kernel, rows, 0, kernel.dim(0));
    return rows;
  }

  /**
   * The same of the outputs {@code first … end - 1} alone.
   *
   * @param kernel F32 and contiguous
   * @param rows of all outputs
   */
  public static void windowRows(Tensor kernel, Tensor rows, int first, int end) {
    int in = kernel.dim(1);
    int taps = Math.multiplyExact(kernel.dim(2), kernel.dim(3));
    int length = rows.shape().cols();
    float[] channelsFirst = new float[length];
    float[] channelsLast = new float[length];
    for (int o = first; o < end; o++) {
      long at = (long) o * length * Float.BYTES;
      MemorySegment.copy(kernel.segment(), FLOAT, at, channelsFirst, 0, length);
      for (int tap = 0; tap < taps; tap++) {
        for (int c = 0; c < in; c++) {
          channelsLast[tap * in + c] = channelsFirst[c * taps + tap];
        }
      }
      MemorySegment.copy(channelsLast, 0, rows.segment(), FLOAT, at, length);
    }
  }

  /** Byte offset of a row of an F32 tensor. */
  static long row(Tensor tensor, long row) {
    return row * tensor.rowStride() * 4;
  }
}
