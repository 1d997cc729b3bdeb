package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * A graph of operations for cuDNN on f32 tensors, which it fuses to one kernel where it can.
 * Tensors that only lead from one operation to the next have no memory.
 *
 * <p>Shapes are the library's: {@code [N, C, H, W]} whatever the layout, which the strides say.
 *
 * <p>Source: NVIDIA, "cuDNN Graph API".
 */
final class DnnGraph implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(DnnGraph.class.getName());

  private final List<Descriptor> owned = new ArrayList<>();
  private final List<Descriptor> operations = new ArrayList<>();
  private int virtual = 1000;

  /**
   * Builds a graph and plans it.
   *
   * @param build adds the operations
   * @return null if the library has no engine for it, or does not know such an operation
   */
  static DnnPlan plan(Consumer<DnnGraph> build, DnnTarget target, Engines engines) {
    var graph = new DnnGraph();
    DnnPlan plan = null;
    try {
      build.accept(graph);
      plan = graph.plan(target, engines);
    } catch (CudaException e) {
      // An older library refuses what it does not know; there is another way for everything.
      LOG.log(System.Logger.Level.DEBUG, "no plan: " + e.getMessage());
    } finally {
      if (plan == null) {
        graph.close();
      }
    }
    return plan;
  }

  private Descriptor own(int type) {
    var descriptor = new Descriptor(type);
    owned.add(descriptor);
    return descriptor;
  }

  /**
   * An f32 tensor in memory.
   *
   * @param id names it when the plan is executed
   * @param alignment bytes that its address is a multiple of
   */
  Descriptor tensor(int id, int alignment, long[] dims, long[] strides) {
    return tensor(Cudnn.CUDNN_DATA_FLOAT(), id, alignment, dims, strides, false);
  }

  /** A bf16 tensor in memory, aligned to 16 bytes. */
  Descriptor brainTensor(int id, long[] dims, long[] strides) {
    return tensor(Cudnn.CUDNN_DATA_BFLOAT16(), id, 16, dims, strides, false);
  }

  /** A tensor without memory. */
  Descriptor between(long[] dims, long[] strides) {
    return tensor(Cudnn.CUDNN_DATA_FLOAT(), virtual++, 16, dims, strides, true);
  }

  private Descriptor tensor(
      int type, int id, int alignment, long[] dims, long[] strides, boolean isVirtual) {
    return own(Cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR())
        .choice(Cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE(), Cudnn.CUDNN_TYPE_DATA_TYPE(), type)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS(), dims)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_STRIDES(), strides)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID(), id)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT(), alignment)
        .flag(Cudnn.CUDNN_ATTR_TENSOR_IS_VIRTUAL(), isVirtual)
        .finish("a tensor");
  }

  /** {@code y = x ∗ w}, cross-correlation. */
  void convolution(
      Descriptor x, Descriptor w, Descriptor y, long[] before, long[] after, long stride) {
    var spec =
        own(Cudnn.CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR())
            .choice(
                Cudnn.CUDNN_ATTR_CONVOLUTION_COMP_TYPE(),
                Cudnn.CUDNN_TYPE_DATA_TYPE(),
                Cudnn.CUDNN_DATA_FLOAT())
            .choice(
                Cudnn.CUDNN_ATTR_CONVOLUTION_CONV_MODE(),
                Cudnn.CUDNN_TYPE_CONVOLUTION_MODE(),
                Cudnn.CUDNN_CROSS_CORRELATION())
            .longs(Cudnn.CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS(), 2)
            .longs(Cudnn.CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS(), before)
            .longs(Cudnn.CUDNN_ATTR_CONVOLUTION_POST_PADDINGS(), after)
            .longs(Cudnn.CUDNN_ATTR_CONVOLUTION_DILATIONS(), 1, 1)
            .longs(Cudnn.CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES(), stride, stride)
            .finish("a convolution");
    operations.add(
        own(Cudnn.CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR())
            .others(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC(), spec)
            .others(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X(), x)
            .others(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W(), w)
            .others(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y(), y)
            .number(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA(), 1f)
            .number(Cudnn.CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA(), 0f)
            .finish("the operation of a convolution"));
  }

  /**
   * {@code y = f(x, b)}, element by element.
   *
   * @param mode {@code CUDNN_POINTWISE_…}
   * @param b second operand, broadcast where its extents are 1; null for none
   */
  void pointwise(int mode, Descriptor x, Descriptor b, Descriptor y) {
    var spec =
        own(Cudnn.CUDNN_BACKEND_POINTWISE_DESCRIPTOR())
            .choice(Cudnn.CUDNN_ATTR_POINTWISE_MODE(), Cudnn.CUDNN_TYPE_POINTWISE_MODE(), mode)
            .choice(
                Cudnn.CUDNN_ATTR_POINTWISE_MATH_PREC(),
                Cudnn.CUDNN_TYPE_DATA_TYPE(),
                Cudnn.CUDNN_DATA_FLOAT())
            .finish("a function");
    var operation =
        own(Cudnn.CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR())
            .others(Cudnn.CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR(), spec)
            .others(Cudnn.CUDNN_ATTR_OPERATION_POINTWISE_XDESC(), x)
            .others(Cudnn.CUDNN_ATTR_OPERATION_POINTWISE_YDESC(), y);
    if (b != null) {
      operation.others(Cudnn.CUDNN_ATTR_OPERATION_POINTWISE_BDESC(), b);
    }
    operations.add(operation.finish("the operation of a function"));
  }

  /**
   * {@code o = softmax(scale·q·kᵀ)·v} for each head; all are {@code [N, heads, L, size]}.
   *
   * @param scale a tensor of one number {@link #number by value}
   */
  void attention(Descriptor q, Descriptor k, Descriptor v, Descriptor scale, Descriptor o) {
    operations.add(
        own(Cudnn.CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR())
            .others(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC(), q)
            .others(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC(), k)
            .others(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC(), v)
            .others(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC(), o)
            .others(Cudnn.CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC(), scale)
            .finish("the operation of an attention"));
  }

  /** A number that is read from host memory when the plan is executed. */
  Descriptor number(int id, int rank) {
    long[] ones = new long[rank];
    Arrays.fill(ones, 1);
    return own(Cudnn.CUDNN_BACKEND_TENSOR_DESCRIPTOR())
        .choice(
            Cudnn.CUDNN_ATTR_TENSOR_DATA_TYPE(),
            Cudnn.CUDNN_TYPE_DATA_TYPE(),
            Cudnn.CUDNN_DATA_FLOAT())
        .longs(Cudnn.CUDNN_ATTR_TENSOR_DIMENSIONS(), ones)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_STRIDES(), ones)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_UNIQUE_ID(), id)
        .longs(Cudnn.CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT(), Float.BYTES)
        .flag(Cudnn.CUDNN_ATTR_TENSOR_IS_BY_VALUE(), true)
        .finish("a number");
  }

  /**
   * Plans the graph with the first engine of the heuristics that can.
   *
   * @param engines that may be taken
   * @return the plan, which owns this graph; or null if the library has no engine for it
   */
  private DnnPlan plan(DnnTarget target, Engines engines) {
    var graph =
        own(Cudnn.CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR())
            .others(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_OPS(), operations.toArray(Descriptor[]::new));
    if (target instanceof DnnTarget.Open open) {
      graph.handle(Cudnn.CUDNN_ATTR_OPERATIONGRAPH_HANDLE(), open.library());
    }
    if (graph.tryFinish() != Cudnn.CUDNN_STATUS_SUCCESS()) {
      return null;
    }
    for (int mode : new int[] {Cudnn.CUDNN_HEUR_MODE_A(), Cudnn.CUDNN_HEUR_MODE_FALLBACK()}) {
      try (var search = new DnnSearch(graph, mode, target)) {
        var plan = search.first(this, engines);
        if (plan != null) {
          return plan;
        }
      }
    }
    return null;
  }

  @Override
  public void close() {
    for (var descriptor : owned.reversed()) {
      descriptor.close();
    }
    owned.clear();
    operations.clear();
  }
}
