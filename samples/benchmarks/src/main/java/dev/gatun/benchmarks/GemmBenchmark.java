package dev.gatun.benchmarks;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Param;

/** A linear layer with bias: 2·M·K·N floating-point operations. */
public class GemmBenchmark extends OperatorBenchmark {
  /**
   * M x K x N: rows, input features, output features. The first stays in the second-level cache, so
   * that it shows the kernel and not the memory; the last three are the modulation of DiT-XL/2,
   * with a row for each sample.
   */
  @Param({
    "96x256x768",
    "512x384x1536",
    "512x384x384",
    "512x768x3072",
    "256x1152x4608",
    "256x1152x1152",
    "512x1152x3456",
    "1024x1024x1024",
    "512x4608x1152",
    "1x1152x6912",
    "2x1152x6912",
    "4x1152x6912"
  })
  public String shape;

  private Tensor x; // [M, K]
  private Tensor matrix; // [N, K]
  private Epilogue bias; // [N]
  private Tensor out; // [M, N]
  private Weight weight;
  private double gflop;

  @Override
  protected void operands() {
    int[] mkn = extents(shape);
    x = random(mkn[0], mkn[1]);
    matrix = random(mkn[2], mkn[1]);
    bias = Epilogue.bias(random(mkn[2]));
    out = zeros(mkn[0], mkn[2]);
    weight = own(measured.pack(matrix));
    gflop = 2e-9 * mkn[0] * mkn[1] * mkn[2];
  }

  /** One call. */
  @Benchmark
  public void linear(Arithmetic work) {
    measured.linear(x, weight, bias, out);
    work.count(gflop, peak);
  }

  /** The same on the Vector API alone, as on a system that refuses machine code. */
  @Benchmark
  @Fork(value = 5, jvmArgsAppend = "-Dgatun.cpu.code=false")
  public void linearOnVectorApi(Arithmetic work) {
    linear(work);
  }

  @Override
  protected void check() {
    var expected = zeros(1, out.dim(1));
    var expectedWeight = own(oracle.pack(matrix));
    for (int row : new int[] {0, x.dim(0) / 2, x.dim(0) - 1}) {
      oracle.linear(row(x, row), expectedWeight, bias, expected);
      requireClose(expected, row(out, row), 2e-6 * Math.sqrt(x.dim(1)));
    }
  }
}
