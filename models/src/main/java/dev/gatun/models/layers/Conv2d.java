package dev.gatun.models.layers;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/** A convolution with bias: keys {@code weight [out, in, k, k]} and {@code bias [out]}. */
public final class Conv2d {
  private final Backend backend;
  private final ConvKernel kernel;
  private final Conv2dSpec spec;
  private final Epilogue epilogue;

  /** Stride 1, and a padding that keeps the size. */
  public Conv2d(Weights weights, String prefix, int in, int out, int size) {
    this(weights, prefix, in, out, size, Conv2dSpec.same(size));
  }

  public Conv2d(Weights weights, String prefix, int in, int out, int size, Conv2dSpec spec) {
    backend = weights.backend();
    kernel = weights.kernel(prefix + ".weight", out, in, size);
    this.spec = spec;
    epilogue = new Epilogue(weights.tensor(prefix + ".bias", out), Activation.IDENTITY);
  }

  /** {@code [N, H, W, in] → [N, H', W', out]}. */
  public void forward(Tensor x, Tensor out) {
    backend.conv2d(x, kernel, spec, epilogue, out);
  }

  /** {@code out = residual + conv(x)}; residual may be null, or out itself. */
  public void forward(Tensor x, Tensor residual, Tensor out) {
    backend.conv2d(x, kernel, spec, epilogue, residual, out);
  }
}
