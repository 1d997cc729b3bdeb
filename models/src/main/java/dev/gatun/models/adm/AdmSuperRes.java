package dev.gatun.models.adm;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.Trial;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Map;

/**
 * An enlarging UNet together with the small pictures that it is to enlarge: to a sampler a network
 * like any other, whose noisy pictures have their usual channels.
 *
 * <p>The small pictures are brought to full size once, bilinearly and without noise, and stand
 * behind the noisy ones at every step ({@code SuperResModel} of the authors' code).
 */
public final class AdmSuperRes implements DiffusionNetwork {
  private final AdmUNet network;
  private final Tensor joined; // (N, H, W, 2C)
  private final Tensor noisy; // (N, H, W, C), the left half

  /**
   * Brings the small pictures to the size of the network's.
   *
   * @param network one that enlarges; it stays its owner's affair
   * @param lowRes {@code [N, any, any, C]} on the network's backend, from -1 to 1; not referred to
   *     afterwards
   * @throws IllegalArgumentException if the network does not enlarge, or the pictures have other
   *     channels
   */
  public AdmSuperRes(AdmUNet network, Tensor lowRes) {
    this(network, lowRes, network.config().imageSize(), network.config().imageSize());
  }

  AdmSuperRes(AdmUNet network, Tensor lowRes, int height, int width) {
    int c = network.config().lowResChannels();
    if (c == 0) {
      throw new IllegalArgumentException(
          network.config().name() + " does not enlarge pictures; an upsampler does");
    }
    if (lowRes.shape().rank() != 4 || lowRes.dim(3) != c) {
      throw new IllegalArgumentException(
          "the small pictures are " + lowRes.shape() + ", expected [N, any, any, " + c + "]");
    }
    this.network = network;
    joined = network.backend().allocate(DType.F32, Shape.of(lowRes.dim(0), height, width, 2 * c));
    noisy = joined.columns(0, c);
    network.backend().resizeBilinear(lowRes, joined.columns(c, 2 * c));
  }

  @Override
  public AdmConfig config() {
    return network.config();
  }

  @Override
  public Backend backend() {
    return network.backend();
  }

  /**
   * {@inheritDoc}
   *
   * @param x {@code [N, H, W, C]}, as many as there are small pictures
   */
  @Override
  public void forward(Tensor x, Tensor t, Tensor condition, Workspace workspace, Tensor out) {
    if (!x.shape().equals(noisy.shape())) {
      throw new IllegalArgumentException(
          "x is " + x.shape() + ", with these small pictures it is to be " + noisy.shape());
    }
    backend().copy(x, noisy);
    network.forward(joined, t, condition, workspace, out);
  }

  /** The network's evaluation, on the pictures that it is given. */
  @Override
  public Map<String, Tensor> evaluate(Map<String, Tensor> inputs) {
    return network.evaluate(inputs);
  }

  @Override
  public Trial trial(int batch) {
    return network.trial(batch);
  }

  /** Frees the pictures; the network stays. */
  @Override
  public void close() {
    joined.close();
  }
}
