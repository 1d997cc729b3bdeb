package dev.gatun.benchmarks;

import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** DiT's modulated layer norm on two samples of 256 tokens: 2·4·rows·C bytes, in and out. */
public class LayerNormBenchmark extends OperatorBenchmark {
  private static final int SAMPLES = 2;
  private static final int ROWS = 512;
  private static final float EPS = 1e-6f;

  /** C. */
  @Param({"384", "768", "1152"})
  public int channels;

  private Tensor x; // [rows, C]
  private Tensor shift; // [N, C]
  private Tensor scale; // [N, C]
  private Tensor out; // [rows, C]
  private double gigabyte;

  @Override
  protected void operands() {
    x = random(ROWS, channels);
    shift = random(SAMPLES, channels);
    scale = random(SAMPLES, channels);
    out = zeros(ROWS, channels);
    gigabyte = 1e-9 * 2 * Float.BYTES * ROWS * channels;
  }

  /** One call. */
  @Benchmark
  public void layerNorm(Traffic traffic) {
    measured.layerNorm(x, null, null, shift, scale, EPS, out);
    traffic.count(gigabyte, copying);
  }

  @Override
  protected void check() {
    var expected = zeros(ROWS, channels);
    oracle.layerNorm(x, null, null, shift, scale, EPS, expected);
    requireClose(expected, out, 1e-5);
  }
}
