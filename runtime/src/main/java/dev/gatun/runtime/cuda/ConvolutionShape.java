package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/**
 * What the choice of an engine for a convolution depends on.
 *
 * @param n images
 * @param height of x
 * @param width of x
 * @param in channels of x
 * @param out channels of the result
 * @param kernelHeight of the window
 * @param kernelWidth of the window
 * @param spec stride and padding
 * @param biased whether there is a bias
 * @param activation behind the bias
 * @param xStride elements from a position of x to the next
 * @param residualStride that of the residual, or 0 without one
 * @param outStride that of the result
 * @param alignment bytes that all addresses are multiples of, at most 16
 */
record ConvolutionShape(
    int n,
    int height,
    int width,
    int in,
    int out,
    int kernelHeight,
    int kernelWidth,
    Conv2dSpec spec,
    boolean biased,
    Activation activation,
    int xStride,
    int residualStride,
    int outStride,
    int alignment) {
  static ConvolutionShape of(
      Tensor x,
      DeviceKernel kernel,
      Conv2dSpec spec,
      Epilogue epilogue,
      Tensor residual,
      Tensor out) {
    long addresses = x.address() | out.address();
    if (epilogue.bias() != null) {
      addresses |= epilogue.bias().address();
    }
    if (residual != null) {
      addresses |= residual.address();
    }
    return new ConvolutionShape(
        x.dim(0),
        x.dim(1),
        x.dim(2),
        x.dim(3),
        kernel.out(),
        kernel.height(),
        kernel.width(),
        spec,
        epilogue.bias() != null,
        epilogue.activation(),
        x.rowStride(),
        residual == null ? 0 : residual.rowStride(),
        out.rowStride(),
        MatmulShape.alignment(addresses));
  }

  int outHeight() {
    return spec.outHeight(height, kernelHeight);
  }

  int outWidth() {
    return spec.outWidth(width, kernelWidth);
  }

  /**
   * The same without what follows the product, but perhaps the bias. Where a residual will be added
   * later, the product is dense: it lies in memory of its own, for the residual may be the result.
   */
  ConvolutionShape bare(boolean withBias) {
    return new ConvolutionShape(
        n,
        height,
        width,
        in,
        out,
        kernelHeight,
        kernelWidth,
        spec,
        withBias && biased,
        Activation.IDENTITY,
        xStride,
        0,
        residualStride == 0 ? outStride : out,
        alignment);
  }
}
