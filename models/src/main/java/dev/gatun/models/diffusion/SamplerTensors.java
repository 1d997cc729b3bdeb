package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * What a sampler computes in, beside the images x {@code [N, H, W, C]} themselves.
 *
 * @param out {@code [N, H, W, outChannels]}, what the network writes
 * @param prediction {@code [N, H, W, C]}, the first channels of out
 * @param variance {@code [N, H, W, C]}, the other channels of out; null where there are none
 * @param x0 {@code [N, H, W, C]}, the predicted images
 * @param noise {@code [N, H, W, C]}
 */
record SamplerTensors(Tensor out, Tensor prediction, Tensor variance, Tensor x0, Tensor noise) {
  /** Takes them from a workspace, after a check that the network fits the images. */
  static SamplerTensors take(
      String sampler, Tensor x, Denoiser denoiser, Backend backend, Workspace workspace) {
    Checks.operand(sampler, "x", x, backend.device(), DType.F32);
    Checks.rank(sampler, "x", x, 4);
    int n = x.dim(0);
    int h = x.dim(1);
    int w = x.dim(2);
    int c = x.dim(3);
    int outChannels = denoiser.outChannels();
    if (outChannels != c && outChannels != 2 * c) {
      throw new IllegalArgumentException(
          sampler
              + ": the network gives "
              + outChannels
              + " channels for images x "
              + x.shape()
              + ", expected "
              + c
              + ", or "
              + 2 * c
              + " with a variance");
    }
    var out = workspace.take(n, h, w, outChannels);
    return new SamplerTensors(
        out,
        out.columns(0, c),
        outChannels == c ? null : out.columns(c, outChannels),
        workspace.take(n, h, w, c),
        workspace.take(n, h, w, c));
  }

  /** Throws if the thread is interrupted; between two steps everything is in order. */
  static void checkInterrupt(int done, int steps) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("interrupted after " + done + " of " + steps + " steps");
    }
  }
}
