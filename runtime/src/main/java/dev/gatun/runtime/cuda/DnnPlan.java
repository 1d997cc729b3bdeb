package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;

/** A graph of cuDNN that is ready to run. */
final class DnnPlan implements AutoCloseable {
  private final DnnGraph graph;
  private final Descriptor configuration;
  private final Descriptor plan;
  private final long workspace;

  /**
   * Owns all of it from now on: the library does not say what a plan still refers to. Where this
   * fails, the graph stays the caller's.
   *
   * @param configuration of the engine
   * @param plan finished
   */
  DnnPlan(DnnGraph graph, Descriptor configuration, Descriptor plan) {
    this.graph = graph;
    this.configuration = configuration;
    this.plan = plan;
    try {
      workspace = plan.getLong(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE());
    } catch (CudaException e) {
      configuration.close();
      plan.close();
      throw e;
    }
  }

  /** Bytes that it needs while it runs. */
  long workspace() {
    return workspace;
  }

  /**
   * Puts it into the library's stream.
   *
   * @param ids of the graph's tensors in memory
   * @param addresses of them, in the same order
   * @param scratch address of {@link #workspace()} bytes
   */
  void execute(Dnn library, long[] ids, long[] addresses, long scratch) {
    try (var pack = new Descriptor(Cudnn.CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR())) {
      pack.longs(Cudnn.CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS(), ids)
          .addresses(Cudnn.CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS(), addresses)
          .addresses(Cudnn.CUDNN_ATTR_VARIANT_PACK_WORKSPACE(), scratch)
          .finish("the operands of a plan");
      int status = Cudnn.cudnnBackendExecute(library.handle(), plan.handle(), pack.handle());
      if (status != Cudnn.CUDNN_STATUS_SUCCESS()) {
        Dnn.check("cudnnBackendExecute", status);
      }
    }
  }

  @Override
  public void close() {
    plan.close();
    configuration.close();
    graph.close();
  }
}
