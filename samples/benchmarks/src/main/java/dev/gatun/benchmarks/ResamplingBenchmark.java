package dev.gatun.benchmarks;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Feature maps made larger and smaller. */
public class ResamplingBenchmark extends OperatorBenchmark {
  /** What is done; the map becomes twice as large or half as large in both directions. */
  @Param({"UPSAMPLE_NEAREST", "AVERAGE_POOL", "RESIZE_BILINEAR"})
  public String operation;

  /** N x H x W x C: between the levels of the autoencoder, and of ADM. */
  @Param({"1x64x64x512", "1x128x128x256", "1x32x32x384"})
  public String shape;

  private Tensor x; // [N, H, W, C]
  private Tensor out; // [N, 2H, 2W, C] or [N, H/2, W/2, C]
  private double gigabyte;

  @Override
  protected void operands() {
    int[] e = extents(shape);
    x = random(e);
    out = zeros(resized(e));
    gigabyte = 1e-9 * Float.BYTES * (x.shape().size() + out.shape().size());
  }

  private int[] resized(int[] e) {
    return operation.equals("AVERAGE_POOL")
        ? new int[] {e[0], e[1] / 2, e[2] / 2, e[3]}
        : new int[] {e[0], e[1] * 2, e[2] * 2, e[3]};
  }

  /** One call. */
  @Benchmark
  public void resample(Traffic traffic) {
    run(measured, out);
    traffic.count(gigabyte, copying);
  }

  private void run(Backend by, Tensor to) {
    switch (operation) {
      case "UPSAMPLE_NEAREST" -> by.upsampleNearest(x, to);
      case "AVERAGE_POOL" -> by.averagePool(x, to);
      case "RESIZE_BILINEAR" -> by.resizeBilinear(x, to);
      default -> throw new IllegalArgumentException("no operation " + operation);
    }
  }

  @Override
  protected void check() {
    var expected = zeros(out.shape().dims());
    run(oracle, expected);
    requireClose(expected, out, 1e-6);
  }
}
