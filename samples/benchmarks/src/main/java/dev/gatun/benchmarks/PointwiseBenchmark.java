package dev.gatun.benchmarks;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/** Copy, sum and activations, which networks mostly get from the epilogue of a product. */
public class PointwiseBenchmark extends OperatorBenchmark {
  /** An {@link Activation}, or what else is done with every element. */
  @Param({"COPY", "ADD", "SILU", "GELU_TANH", "GELU_ERF"})
  public String operation;

  /** Rows x columns: the tokens of DiT-XL/2, and a feature map of the autoencoder. */
  @Param({"512x1152", "16384x256"})
  public String shape;

  private Tensor x; // [rows, C]
  private Tensor y; // [rows, C]
  private Tensor out; // [rows, C]
  private double gigabyte;

  @Override
  protected void operands() {
    int[] e = extents(shape);
    x = random(e);
    y = random(e);
    out = zeros(e);
    int tensors = operation.equals("ADD") ? 3 : 2;
    gigabyte = 1e-9 * tensors * Float.BYTES * x.shape().size();
  }

  /** One call. */
  @Benchmark
  public void pointwise(Traffic traffic) {
    run(measured, out);
    traffic.count(gigabyte, copying);
  }

  private void run(Backend by, Tensor to) {
    switch (operation) {
      case "COPY" -> by.copy(x, to);
      case "ADD" -> by.add(x, y, to);
      default -> by.activate(Activation.valueOf(operation), x, to);
    }
  }

  @Override
  protected void check() {
    var expected = zeros(x.shape().dims());
    run(oracle, expected);
    requireClose(expected, out, 1e-6);
  }
}
