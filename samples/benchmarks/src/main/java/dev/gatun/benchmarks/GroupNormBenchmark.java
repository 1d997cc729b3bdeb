package dev.gatun.benchmarks;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * The group norm with SiLU that stands before most convolutions: 3·4·N·H·W·C bytes, in twice and
 * out once.
 */
public class GroupNormBenchmark extends OperatorBenchmark {
  private static final int GROUPS = 32;
  private static final float EPS = 1e-6f;

  /** N x H x W x C, as in {@link Conv2dBenchmark}. */
  @Param({"1x64x64x512", "1x128x128x256", "1x256x256x128", "1x32x32x384"})
  public String shape;

  private Tensor x; // [N, H, W, C]
  private Tensor gamma; // [C]
  private Tensor beta; // [C]
  private Tensor out; // [N, H, W, C]
  private double gigabyte;

  @Override
  protected void operands() {
    int[] e = extents(shape);
    x = random(e);
    gamma = random(e[3]);
    beta = random(e[3]);
    out = zeros(e);
    gigabyte = 1e-9 * 3 * Float.BYTES * x.shape().size();
  }

  /** One call. */
  @Benchmark
  public void groupNorm(Traffic traffic) {
    measured.groupNorm(x, GROUPS, gamma, beta, null, null, EPS, Activation.SILU, out);
    traffic.count(gigabyte, copying);
  }

  @Override
  protected void check() {
    var expected = zeros(x.shape().dims());
    oracle.groupNorm(x, GROUPS, gamma, beta, null, null, EPS, Activation.SILU, expected);
    requireClose(expected, out, 1e-5);
  }
}
