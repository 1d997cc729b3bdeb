package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The windows of a convolution as the rows of a matrix: that of a position is {@code
 * [height][width][in]}. With channels last, a line of a window is one run of memory, so the windows
 * are gathered about as fast as the rows of a tensor are copied.
 */
final class Windows implements Gemm.Rows {
  private MemorySegment x;
  private int xStride;
  private int height;
  private int width;
  private int outHeight;
  private int outWidth;
  private int in;
  private int line; // floats of one line of a window
  private int kernelWidth;
  private Conv2dSpec spec;

  void set(Tensor x, ConvKernel kernel, Conv2dSpec spec, Tensor out) {
    this.x = x.segment();
    xStride = x.rowStride();
    height = x.dim(1);
    width = x.dim(2);
    outHeight = out.dim(1);
    outWidth = out.dim(2);
    in = kernel.in();
    kernelWidth = kernel.width();
    line = kernelWidth * in;
    this.spec = spec;
  }

  @Override
  public void copy(int row, int count, int k, int depth, float[] a, int at) {
    if (depth == 0) {
      return; // no channels
    }
    int j = row % outWidth;
    int i = row / outWidth % outHeight;
    int n = row / outWidth / outHeight;
    for (int r = 0; r < count; r++) {
      copyWindow(
          n,
          i * spec.stride() - spec.top(),
          j * spec.stride() - spec.left(),
          k,
          depth,
          a,
          at + r * MicroKernel.STRIDE);
      if (++j == outWidth) {
        j = 0;
        if (++i == outHeight) {
          i = 0;
          n++;
        }
      }
    }
  }

  /** Elements {@code k … k + depth - 1} of the window whose first corner is (top, left). */
  private void copyWindow(int n, int top, int left, int k, int depth, float[] a, int at) {
    // The part of a line that lies in the map.
    int inside = Math.clamp(-left, 0, kernelWidth) * in;
    int outside = Math.clamp(width - left, 0, kernelWidth) * in;
    int end = k + depth;
    int first = k / line * line; // where the present line begins
    for (int y = top + k / line; k < end; y++, first += line) {
      int to = Math.min(end, first + line);
      if (y < 0 || y >= height) {
        Arrays.fill(a, at, at + to - k, 0f);
      } else {
        int p = Math.clamp(first + inside, k, to);
        int q = Math.clamp(first + outside, p, to);
        long pixel = ((long) n * height + y) * width + left;
        Arrays.fill(a, at, at + p - k, 0f);
        copyPixels(pixel, p - first, q - first, a, at + p - k);
        Arrays.fill(a, at + q - k, at + to - k, 0f);
      }
      at += to - k;
      k = to;
    }
  }

  /** Elements {@code from … to - 1} of a line of a window that begins with the given pixel. */
  private void copyPixels(long pixel, int from, int to, float[] a, int at) {
    if (xStride == in) {
      Gemm.copyRun(x, (pixel * in + from) * Float.BYTES, a, at, to - from);
      return;
    }
    while (from < to) {
      int column = from % in;
      int count = Math.min(in - column, to - from);
      long element = (pixel + from / in) * xStride + column;
      Gemm.copyRun(x, element * Float.BYTES, a, at, count);
      from += count;
      at += count;
    }
  }
}
