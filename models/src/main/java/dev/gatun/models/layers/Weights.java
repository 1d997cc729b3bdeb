package dev.gatun.models.layers;

import dev.gatun.models.Parameters;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.ConvKernel;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Weight;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.UnaryOperator;

/**
 * The weights of one network on one backend: read key by key while the network is built, closed all
 * together with it. A network whose construction fails closes what it had read so far.
 */
public final class Weights implements AutoCloseable {
  private final Backend backend;
  private final Parameters source;
  private final Deque<AutoCloseable> owned = new ArrayDeque<>();

  public Weights(Backend backend, Parameters source) {
    this.backend = backend;
    this.source = source;
  }

  /** The backend that the network computes on. */
  public Backend backend() {
    return backend;
  }

  /** Whether the state dict has a tensor of that key. */
  public boolean has(String key) {
    return source.has(key);
  }

  /** The packed matrix of a linear layer, {@code [out, in]}. */
  public Weight matrix(String key, int out, int in) {
    return own(source.read(key, Shape.of(out, in), backend::pack));
  }

  /**
   * The packed matrix of a linear layer that is stored otherwise, such as a convolution.
   *
   * @param stored the shape in the state dict
   * @param relay makes the F32 matrix {@code [out, in]} from the stored tensor; closed after
   *     packing
   */
  public Weight matrix(String key, Shape stored, UnaryOperator<Tensor> relay) {
    return own(
        source.read(
            key,
            stored,
            tensor -> {
              try (var matrix = relay.apply(tensor)) {
                return backend.pack(matrix);
              }
            }));
  }

  /** The packed kernel of a convolution, {@code [out, in, size, size]}. */
  public ConvKernel kernel(String key, int out, int in, int size) {
    return own(source.read(key, Shape.of(out, in, size, size), backend::packKernel));
  }

  /** A tensor on the device, in F32. */
  public Tensor tensor(String key, int... dims) {
    return own(source.read(key, Shape.of(dims), this::toDevice));
  }

  /**
   * A tensor on the device, in F32, that is stored otherwise.
   *
   * @param stored the shape in the state dict
   * @param relay makes the F32 host tensor from the stored one; closed after copying
   */
  public Tensor tensor(String key, Shape stored, UnaryOperator<Tensor> relay) {
    return own(
        source.read(
            key,
            stored,
            tensor -> {
              try (var host = relay.apply(tensor)) {
                return toDevice(host);
              }
            }));
  }

  private Tensor toDevice(Tensor host) {
    var copy = backend.allocate(DType.F32, host.shape());
    backend.copy(host, copy);
    return copy;
  }

  /** Makes this the owner of something that a layer computed instead of reading. */
  public <T extends AutoCloseable> T own(T resource) {
    owned.push(resource);
    return resource;
  }

  @Override
  public void close() {
    while (!owned.isEmpty()) {
      try {
        owned.pop().close();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException("closing a weight failed", e);
      }
    }
  }
}
