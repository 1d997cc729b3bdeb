package dev.gatun.models.diffusion;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * One run of a sampler: what {@link Sampler#sample} was given, the output of the network, and how
 * far it has come. Closing it brings the workspace to its old height.
 */
final class Run implements AutoCloseable {
  final Denoiser denoiser;

  /** The images, {@code [N, H, W, C]}. */
  final Tensor x;

  final Backend backend;

  /** The first channels of what the network wrote, {@code [N, H, W, C]}. */
  final Tensor prediction;

  /** The other channels of it, {@code [N, H, W, C]}; null where there are none. */
  final Tensor variance;

  private final Tensor out;
  private final Noise noise;
  private final Workspace workspace;
  private final StepListener listener;
  private final int mark;
  private int done;

  /** A run with a network as it was trained, which may predict a variance too. */
  Run(
      String sampler,
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener) {
    this.denoiser = denoiser;
    this.x = x;
    this.noise = noise;
    this.backend = backend;
    this.workspace = workspace;
    this.listener = listener;
    Checks.operand(sampler, "x", x, backend.device(), DType.F32);
    Checks.rank(sampler, "x", x, 4);
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
    mark = workspace.mark();
    out = workspace.take(x.dim(0), x.dim(1), x.dim(2), outChannels);
    prediction = out.columns(0, c);
    variance = outChannels == c ? null : out.columns(c, outChannels);
  }

  /**
   * A run with a denoiser in σ-space.
   *
   * @param sigma the noise level at which it starts, to which the noise in x is brought
   */
  static Run inSigmaSpace(
      String sampler,
      double sigma,
      Denoiser denoiser,
      Tensor x,
      Noise noise,
      Backend backend,
      Workspace workspace,
      StepListener listener) {
    if (x.shape().rank() == 4 && denoiser.outChannels() == 2 * x.dim(3)) {
      throw new IllegalArgumentException(
          sampler
              + ": the denoiser gives "
              + denoiser.outChannels()
              + " channels for images x "
              + x.shape()
              + ", expected the images alone: wrap the network as a PreconditionedDenoiser");
    }
    var run = new Run(sampler, denoiser, x, noise, backend, workspace, listener);
    backend.combine(sigma, x, 0, null, x);
    return run;
  }

  /** A tensor {@code [N, H, W, C]} until the end of the run; what it holds is undefined. */
  Tensor take() {
    return workspace.take(x.dim(0), x.dim(1), x.dim(2), x.dim(3));
  }

  /** Throws if the thread is interrupted; between two steps everything is in order. */
  void beginStep(int steps) throws InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException("interrupted after " + done + " of " + steps + " steps");
    }
  }

  /** Counts a step and tells the listener. */
  void endStep(int steps, Tensor x0) {
    done++;
    if (listener != null) {
      listener.step(done, steps, x0);
    }
  }

  /** How many steps are done. */
  int done() {
    return done;
  }

  /** How many steps there will have been with a distance left and a step length. */
  int stepsAt(double distance, double h) {
    return done + (int) Math.clamp(Math.ceil(distance / h), 0, 1e6);
  }

  /** Evaluates the network; the result is in {@link #prediction} and {@link #variance}. */
  void predict(Tensor at, double t) {
    denoiser.predict(at, t, out);
  }

  /** Evaluates a denoiser of σ-space: {@code x0 = D(at; sigma)}. */
  void denoise(Tensor at, double sigma, Tensor x0) {
    denoiser.predict(at, sigma, x0);
  }

  /** σ_i of a schedule as near as the denoiser knows it; 0 at the end. */
  double level(SigmaSchedule sigmas, int i) {
    return i == sigmas.steps() ? 0 : denoiser.nearest(sigmas.at(i));
  }

  /** {@code dx/dσ = (x - D)/σ}; out may be D. */
  void slope(Tensor at, Tensor denoised, double sigma, Tensor out) {
    backend.combine(1 / sigma, at, -1 / sigma, denoised, out);
  }

  /** {@code x = x + a·n}, n newly drawn. */
  void addNoise(double a, Tensor n) {
    noise.next(n);
    backend.combine(1, x, a, n, x);
  }

  /** {@code out = a·u + b·v}, as {@link Backend#combine}. */
  void combine(double a, Tensor u, double b, Tensor v, Tensor out) {
    backend.combine(a, u, b, v, out);
  }

  /** {@code out = out + a·u}. */
  void add(double a, Tensor u, Tensor out) {
    backend.combine(1, out, a, u, out);
  }

  /** The next noise of mean 0 and variance 1. */
  void draw(Tensor n) {
    noise.next(n);
  }

  @Override
  public void close() {
    workspace.release(mark);
  }
}
