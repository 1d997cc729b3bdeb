package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The rows of the matrix whose product with the transposed kernel is the gradient of a convolution:
 * that of a position holds, for each element of the kernel's window, the gradient of that result
 * whose window has the position there, or zeros if there is none, {@code [height][width][out]}.
 */
final class GradientWindows implements Gemm.Rows {
  private MemorySegment dy;
  private int dyStride;
  private int outHeight;
  private int outWidth;
  private int height;
  private int width;
  private int out;
  private int kernelWidth;
  private Conv2dSpec spec;

  void set(Tensor dy, ConvKernel kernel, Conv2dSpec spec, Tensor dx) {
    this.dy = dy.segment();
    dyStride = dy.rowStride();
    outHeight = dy.dim(1);
    outWidth = dy.dim(2);
    height = dx.dim(1);
    width = dx.dim(2);
    out = kernel.out();
    kernelWidth = kernel.width();
    this.spec = spec;
  }

  @Override
  public void copy(int row, int count, int k, int depth, float[] a, int at) {
    for (int r = 0; r < count; r++) {
      int position = row + r;
      int x = position % width;
      int y = position / width % height;
      copyRow(position / width / height, y, x, k, k + depth, a, at + r * MicroKernel.STRIDE);
    }
  }

  private void copyRow(int n, int y, int x, int k, int end, float[] a, int at) {
    while (k < end) {
      int tap = k / out;
      int channel = k % out;
      int count = Math.min(out - channel, end - k);
      int i = origin(y + spec.top() - tap / kernelWidth, outHeight);
      int j = origin(x + spec.left() - tap % kernelWidth, outWidth);
      if (i < 0 || j < 0) {
        Arrays.fill(a, at, at + count, 0f);
      } else {
        long position = ((long) n * outHeight + i) * outWidth + j;
        Gemm.copyRun(dy, (position * dyStride + channel) * Float.BYTES, a, at, count);
      }
      at += count;
      k += count;
    }
  }

  /** The result whose window begins there, or -1 for none. */
  private int origin(int begin, int extent) {
    int origin = begin < 0 || begin % spec.stride() != 0 ? -1 : begin / spec.stride();
    return origin < extent ? origin : -1;
  }
}
