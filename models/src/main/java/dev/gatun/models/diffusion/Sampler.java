package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Turns noise into images by repeated denoising. An implementation is a record of its settings and
 * can be used again, for any number of images and by any number of threads.
 */
public sealed interface Sampler
    permits DdpmSampler,
        DdimSampler,
        DdimReverse,
        EulerMaruyama,
        DpmSolverMultistep,
        DpmSolverSinglestep,
        DpmSolverAdaptive,
        EulerSampler,
        EulerAncestralSampler,
        HeunSampler,
        Dpm2Sampler,
        Dpm2AncestralSampler,
        LmsSampler,
        Dpmpp2sAncestralSampler,
        DpmppSdeSampler,
        Dpmpp2mSampler,
        Dpmpp2mSdeSampler,
        Dpmpp3mSdeSampler,
        DpmFastSampler,
        DpmAdaptiveSampler,
        AblationSampler {
  /**
   * Samples in place. From the second step on nothing is allocated, on or off heap, as long as
   * network, noise and listener allocate nothing.
   *
   * @param x {@code [N, H, W, C]} on the backend's device: noise on entry (the first draw of {@code
   *     noise}, of variance 1 for every sampler), images on return; undefined after an exception
   * @param noise of the further draws
   * @param backend what to compute with
   * @param workspace of the same backend, for intermediates; at its old height on return
   * @param listener told after each step; or null
   * @throws InterruptedException if the thread is interrupted; looked for before each step
   * @throws IllegalArgumentException if the network's channels do not fit x or the settings
   */
  void sample(
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener)
      throws InterruptedException;
}
