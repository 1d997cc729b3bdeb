package dev.gatun.models.layers;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.Map;

/**
 * The way of host tensors to a network and back, for {@link dev.gatun.models.Network#evaluate}:
 * checks them by name, brings them to the device, feature maps channels last, and owns the copies.
 */
public final class Evaluation implements AutoCloseable {
  private final Backend backend;
  private final Map<String, Tensor> inputs;
  private final Weights owned;
  private final Workspace workspace;

  /**
   * @param inputs by the names of the authors' code
   */
  public Evaluation(Backend backend, Map<String, Tensor> inputs) {
    this.backend = backend;
    this.inputs = inputs;
    owned = new Weights(backend, null);
    workspace = owned.own(backend.workspace());
  }

  /** For the intermediates of the evaluation. */
  public Workspace workspace() {
    return workspace;
  }

  /** Whether there is an input of that name. */
  public boolean has(String name) {
    return inputs.containsKey(name);
  }

  /**
   * A feature map on the device: {@code [N, C, H, W]} with any height and width → {@code [N, H, W,
   * C]}.
   */
  public Tensor image(String name, int channels) {
    var host = input(name, 4);
    if (host.dim(1) != channels) {
      throw wrong(name, host, "[N, " + channels + ", H, W]");
    }
    return channelsLast(host);
  }

  /** A feature map on the device, of one height and width. */
  public Tensor image(String name, int channels, int height, int width) {
    var host = input(name, 4);
    if (!host.shape().is(host.dim(0), channels, height, width)) {
      throw wrong(name, host, "[N, " + channels + ", " + height + ", " + width + "]");
    }
    return channelsLast(host);
  }

  private Tensor channelsLast(Tensor host) {
    var shape = host.shape();
    var nchw = owned.own(backend.allocate(DType.F32, shape));
    var nhwc = allocate(shape.dim(0), shape.dim(2), shape.dim(3), shape.dim(1));
    backend.copy(host, nchw);
    backend.toChannelsLast(nchw, nhwc);
    return nhwc;
  }

  /**
   * Numbers on the device, of exactly this shape, such as {@code t [N]} or {@code context [N, L,
   * D]}.
   */
  public Tensor floats(String name, int... dims) {
    var host = input(name, dims.length);
    if (!host.shape().equals(Shape.of(dims))) {
      throw wrong(name, host, Shape.of(dims).toString());
    }
    var device = allocate(dims);
    backend.copy(host, device);
    return device;
  }

  /** I64 indices on the device, of exactly this shape, each from 0 to {@code count - 1}. */
  public Tensor indices(String name, int count, int... dims) {
    var host = input(name, dims.length);
    if (!host.shape().equals(Shape.of(dims))) {
      throw wrong(name, host, Shape.of(dims).toString());
    }
    if (host.dtype() != DType.I64) {
      throw new IllegalArgumentException("the input " + name + " is " + host + ", expected I64");
    }
    for (long i = 0; i < host.shape().size(); i++) {
      long index = host.getLong(i);
      if (index < 0 || index >= count) {
        throw new IllegalArgumentException(
            "the input " + name + " holds " + index + ", expected 0 to " + (count - 1));
      }
    }
    var device = owned.own(backend.allocate(DType.I64, host.shape()));
    backend.copy(host, device);
    return device;
  }

  /** A new F32 tensor on the device. */
  public Tensor allocate(int... dims) {
    return owned.own(backend.allocate(DType.F32, Shape.of(dims)));
  }

  /** A feature map as a host tensor for the caller to own: {@code [N, H, W, C] → [N, C, H, W]}. */
  public Tensor channelsFirst(Tensor nhwc) {
    var nchw = allocate(nhwc.dim(0), nhwc.dim(3), nhwc.dim(1), nhwc.dim(2));
    backend.toChannelsFirst(nhwc, nchw);
    return host(nchw);
  }

  /** A host tensor for the caller to own. */
  public Tensor host(Tensor device) {
    var host = Tensor.allocate(DType.F32, device.shape());
    backend.copy(device, host);
    return host;
  }

  private Tensor input(String name, int rank) {
    var tensor = inputs.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "the input " + name + " is missing; there are " + inputs.keySet());
    }
    if (tensor.shape().rank() != rank) {
      throw new IllegalArgumentException(
          "the input " + name + " is " + tensor.shape() + ", expected " + rank + " axes");
    }
    return tensor;
  }

  private static IllegalArgumentException wrong(String name, Tensor found, String expected) {
    return new IllegalArgumentException(
        "the input " + name + " is " + found.shape() + ", expected " + expected);
  }

  @Override
  public void close() {
    owned.close();
  }
}
