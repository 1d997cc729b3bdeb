package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * An element of a linear layer on the cpu backend is one chain of fused multiply-adds in the order
 * of the inputs that begins with the bias, whatever computes it: vectors of any width, machine code
 * or not, any number of rows and threads.
 */
class ProductBitsTest {
  private static final int[][] SIZES = {
    {1, 1, 1},
    {1, 37, 33},
    {2, 1153, 17},
    {3, 5, 100},
    {5, 577, 31},
    {11, 64, 65},
    {12, 7, 32},
    {13, 385, 1},
    {23, 3, 800},
    {96, 31, 48},
    {97, 600, 33},
    {13, 1160, 3200},
    {121, 1200, 16},
    {301, 130, 63}
  };

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void eachElementIsOneChain(int threads) {
    try (var backend = Backend.open(Device.CPU, "cpu", threads)) {
      for (int[] size : SIZES) {
        check(backend, size[0], size[1], size[2]);
      }
    }
  }

  private static void check(Backend backend, int rows, int in, int out) {
    try (var tensors = new TestTensors()) {
      var x = tensors.random(rows, in);
      var matrix = tensors.random(out, in);
      var bias = tensors.random(out);
      var found = tensors.out(rows, out);
      var view = tensors.outView(rows, out);
      try (var weight = backend.pack(matrix)) {
        backend.linear(x, weight, Epilogue.bias(bias), found);
        backend.linear(tensors.view(x), weight, Epilogue.bias(bias), view);
      }
      float[] a = x.toFloats();
      float[] w = matrix.toFloats();
      float[] b = bias.toFloats();
      float[] dense = found.toFloats();
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < out; c++) {
          float sum = b[c];
          for (int k = 0; k < in; k++) {
            sum = Math.fma(a[r * in + k], w[c * in + k], sum);
          }
          var what = "%d x %d by %d, row %d, column %d".formatted(rows, in, out, r, c);
          assertEquals(sum, dense[r * out + c], what);
          assertEquals(sum, view.getFloat((long) r * out + c), "view of " + what);
        }
      }
      tensors.assertGuards("product");
    }
  }
}
