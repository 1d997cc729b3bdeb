package dev.gatun.benchmarks;

import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** A 3x3 convolution with bias that keeps the size: 2·9·N·H·W·in·out floating-point operations. */
public class Conv2dBenchmark extends OperatorBenchmark {
  private static final int SIZE = 3;
  private static final Conv2dSpec SPEC = Conv2dSpec.same(SIZE);

  /**
   * N x H x W x in x out. The first three are the decoder of the autoencoder at 512x512 pixels, up
   * to half of its size; then ADM at 64x64 pixels, and the first and the last convolution of a
   * network, whose channels fill no vector.
   */
  @Param({
    "1x64x64x512x512",
    "1x128x128x256x256",
    "1x256x256x128x128",
    "1x32x32x384x384",
    "1x256x256x3x128",
    "1x256x256x128x3"
  })
  public String shape;

  private Tensor x; // [N, H, W, in]
  private Tensor stored; // [out, in, 3, 3]
  private Epilogue bias; // [out]
  private Tensor out; // [N, H, W, out]
  private ConvKernel kernel;
  private double gflop;

  @Override
  protected void operands() {
    int[] e = extents(shape);
    x = random(e[0], e[1], e[2], e[3]);
    stored = random(e[4], e[3], SIZE, SIZE);
    bias = Epilogue.bias(random(e[4]));
    out = zeros(e[0], e[1], e[2], e[4]);
    kernel = own(measured.packKernel(stored));
    gflop = 2e-9 * SIZE * SIZE * e[0] * e[1] * e[2] * e[3] * e[4];
  }

  /** One call. */
  @Benchmark
  public void conv2d(Arithmetic work) {
    measured.conv2d(x, kernel, SPEC, bias, out);
    work.count(gflop, peak);
  }

  /** The first line, from the two that it depends on: a map of its own, padded above only. */
  @Override
  protected void check() {
    int width = out.dim(2);
    int channels = out.dim(3);
    var lines = zeros(1, 2, width, x.dim(3));
    for (int i = 0; i < 2 * width; i++) {
      for (int c = 0; c < x.dim(3); c++) {
        long at = (long) i * x.dim(3) + c;
        lines.setFloat(at, x.getFloat(at));
      }
    }
    var expected = zeros(1, 1, width, channels);
    var expectedKernel = own(oracle.packKernel(stored));
    oracle.conv2d(lines, expectedKernel, new Conv2dSpec(1, 1, 1, 0, 1), bias, expected);
    var found = zeros(1, 1, width, channels);
    for (long i = 0; i < found.shape().size(); i++) {
      found.setFloat(i, out.getFloat(i));
    }
    requireClose(expected, found, 2e-6 * SIZE * Math.sqrt(x.dim(3)));
  }
}
