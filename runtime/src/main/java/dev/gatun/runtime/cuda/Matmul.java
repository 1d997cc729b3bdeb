package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cublaslt.CublasLt;
import dev.gatun.runtime.Activation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Products of f32 matrices with cuBLASLt. What it is asked for more than once, it has planned once:
 * the fastest algorithm by the library's heuristics for exactly these extents, strides and
 * alignments.
 *
 * <p>cuBLAS counts in columns. A matrix {@code [rows, n]} with its rows one after the other is to
 * it one of n rows and {@code rows} columns, so {@code D = X·Wᵀ} is asked for as {@code Dᵀ = W·Xᵀ}.
 *
 * <p>Source: NVIDIA, "cuBLAS Library", Using the cuBLASLt API.
 */
final class Matmul implements AutoCloseable {
  /** What NVIDIA recommends for GPUs since Hopper. */
  private static final long WORKSPACE = 32 << 20;

  private final Session session;
  private final Blas blas;
  private final Products products;
  private final Scratch workspace;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1f);
  private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0f);
  private final MemorySegment biasPointer = arena.allocate(JAVA_LONG);
  private final PlanCache<MatmulShape, MatmulPlan> plans = new PlanCache<>();

  Matmul(Session session, Products products) {
    this.session = session;
    this.products = products;
    workspace = new Scratch(session);
    blas = new Blas();
  }

  /** Whether the library applies a function behind the bias. Its ReLU makes NaN zero. */
  static boolean fuses(Activation activation) {
    return switch (activation) {
      case IDENTITY, GELU_TANH -> true;
      case SILU, GELU_ERF, QUICK_GELU, RELU -> false;
    };
  }

  /**
   * {@code D = activation(X·Wᵀ + C + bias)}, or with W itself instead of its transpose.
   *
   * @param shape extents, strides and alignments
   * @param x address of X
   * @param w address of the weight
   * @param bias address, or 0
   * @param c address of C, or 0 for none; may be that of D
   * @param d address of D
   * @return false, having done nothing, if the library has no algorithm for it
   */
  boolean multiply(MatmulShape shape, long x, long w, long bias, long c, long d) {
    session.enter();
    var plan = plans.get(shape);
    if (plan == null) {
      if (session.stream().isCapturing()) {
        throw new UnrecordableException("a product has no plan yet");
      }
      plan = new MatmulPlan(blas, shape, products, WORKSPACE, bias);
      plans.put(shape, plan);
    }
    if (!plan.isPossible()) {
      return false;
    }
    if (bias != 0) {
      biasPointer.set(JAVA_LONG, 0, bias);
      plan.setBias(biasPointer);
    }
    int status =
        CublasLt.cublasLtMatmul(
            blas.handle(),
            plan.operation(),
            one,
            MemorySegment.ofAddress(w),
            plan.w(),
            MemorySegment.ofAddress(x),
            plan.x(),
            c == 0 ? zero : one,
            MemorySegment.ofAddress(c == 0 ? d : c),
            plan.c(),
            MemorySegment.ofAddress(d),
            plan.d(),
            plan.algorithm(),
            MemorySegment.ofAddress(plan.workspace() == 0 ? 0 : workspace.address(WORKSPACE)),
            plan.workspace(),
            session.stream().handle());
    if (status != CublasLt.CUBLAS_STATUS_SUCCESS()) {
      Blas.check("cublasLtMatmul of " + shape, status);
    }
    return true;
  }

  @Override
  public void close() {
    plans.close();
    blas.close();
    workspace.close();
    arena.close();
  }
}
