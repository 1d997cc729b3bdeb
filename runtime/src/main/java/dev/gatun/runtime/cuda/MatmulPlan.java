package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cublaslt.CublasLt;
import dev.gatun.bindings.cublaslt.cublasLtMatmulHeuristicResult_t;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A product that cuBLASLt has been asked about: its descriptors, and the algorithm for it. */
final class MatmulPlan implements AutoCloseable {
  private final Arena memory = Arena.ofShared();
  private final MemorySegment result;
  private MemorySegment operation = MemorySegment.NULL;
  private MemorySegment w = MemorySegment.NULL;
  private MemorySegment x = MemorySegment.NULL;
  private MemorySegment c = MemorySegment.NULL;
  private MemorySegment d = MemorySegment.NULL;

  private boolean possible;

  /**
   * Asks for the algorithm.
   *
   * @param most bytes of workspace
   * @param bias an address that the bias may have, or 0
   */
  MatmulPlan(Blas blas, MatmulShape shape, Products products, long most, long bias) {
    result = cublasLtMatmulHeuristicResult_t.allocate(memory);
    try (var arena = Arena.ofConfined()) {
      operation = operation(shape, products, bias, arena);
      // W lies in memory as [n, k] or [k, n]: to cuBLAS columns of k or of n.
      w =
          shape.transposed()
              ? layout(shape.k(), shape.n(), shape.k(), arena)
              : layout(shape.n(), shape.k(), shape.n(), arena);
      x = layout(shape.k(), shape.rows(), shape.xStride(), arena);
      d = layout(shape.n(), shape.rows(), shape.dStride(), arena);
      c =
          layout(
              shape.n(),
              shape.rows(),
              shape.cStride() == 0 ? shape.dStride() : shape.cStride(),
              arena);
      possible = choose(blas, shape, most, arena);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private MemorySegment operation(MatmulShape shape, Products products, long bias, Arena arena) {
    int compute =
        switch (products) {
          case F32 -> CublasLt.CUBLAS_COMPUTE_32F();
          case TF32 -> CublasLt.CUBLAS_COMPUTE_32F_FAST_TF32();
          case BF16 -> CublasLt.CUBLAS_COMPUTE_32F_FAST_16BF();
        };
    var pointer = arena.allocate(ADDRESS);
    Blas.check(
        "cublasLtMatmulDescCreate",
        CublasLt.cublasLtMatmulDescCreate(pointer, compute, CublasLt.CUDA_R_32F()));
    operation = pointer.get(ADDRESS, 0);
    set(
        CublasLt.CUBLASLT_MATMUL_DESC_TRANSA(),
        shape.transposed() ? CublasLt.CUBLAS_OP_T() : CublasLt.CUBLAS_OP_N(),
        arena);
    set(CublasLt.CUBLASLT_MATMUL_DESC_EPILOGUE(), epilogue(shape), arena);
    if (shape.biased()) {
      setBias(arena.allocateFrom(JAVA_LONG, bias));
    }
    return operation;
  }

  private static int epilogue(MatmulShape shape) {
    return switch (shape.activation()) {
      case IDENTITY ->
          shape.biased() ? CublasLt.CUBLASLT_EPILOGUE_BIAS() : CublasLt.CUBLASLT_EPILOGUE_DEFAULT();
      case GELU_TANH ->
          shape.biased()
              ? CublasLt.CUBLASLT_EPILOGUE_GELU_BIAS()
              : CublasLt.CUBLASLT_EPILOGUE_GELU();
      case SILU, GELU_ERF, QUICK_GELU, RELU ->
          throw new IllegalArgumentException("cuBLASLt has no " + shape.activation());
    };
  }

  private void set(int attribute, int value, Arena arena) {
    Blas.check(
        "cublasLtMatmulDescSetAttribute",
        CublasLt.cublasLtMatmulDescSetAttribute(
            operation, attribute, arena.allocateFrom(JAVA_INT, value), Integer.BYTES));
  }

  /**
   * Says where the bias is.
   *
   * @param pointer holds its address
   */
  void setBias(MemorySegment pointer) {
    int status =
        CublasLt.cublasLtMatmulDescSetAttribute(
            operation, CublasLt.CUBLASLT_MATMUL_DESC_BIAS_POINTER(), pointer, Long.BYTES);
    if (status != CublasLt.CUBLAS_STATUS_SUCCESS()) {
      Blas.check("cublasLtMatmulDescSetAttribute", status);
    }
  }

  private static MemorySegment layout(long rows, long cols, long stride, Arena arena) {
    var pointer = arena.allocate(ADDRESS);
    // A single column has no next one; its stride must be as if it had.
    Blas.check(
        "cublasLtMatrixLayoutCreate",
        CublasLt.cublasLtMatrixLayoutCreate(
            pointer, CublasLt.CUDA_R_32F(), rows, cols, Math.max(rows, stride)));
    return pointer.get(ADDRESS, 0);
  }

  private boolean choose(Blas blas, MatmulShape shape, long most, Arena arena) {
    var pointer = arena.allocate(ADDRESS);
    Blas.check("cublasLtMatmulPreferenceCreate", CublasLt.cublasLtMatmulPreferenceCreate(pointer));
    var preference = pointer.get(ADDRESS, 0);
    try {
      prefer(
          preference,
          CublasLt.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES(),
          arena.allocateFrom(JAVA_LONG, most));
      int cAlignment = shape.cStride() == 0 ? shape.dAlignment() : shape.cAlignment();
      align(
          preference,
          CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES(),
          shape.xAlignment(),
          arena);
      align(preference, CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES(), cAlignment, arena);
      align(
          preference,
          CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES(),
          shape.dAlignment(),
          arena);
      var count = arena.allocate(JAVA_INT);
      int status =
          CublasLt.cublasLtMatmulAlgoGetHeuristic(
              blas.handle(), operation, w, x, c, d, preference, 1, result, count);
      if (status == CublasLt.CUBLAS_STATUS_NOT_SUPPORTED()) {
        return false;
      }
      Blas.check("cublasLtMatmulAlgoGetHeuristic of " + shape, status);
      return count.get(JAVA_INT, 0) > 0
          && cublasLtMatmulHeuristicResult_t.state(result) == CublasLt.CUBLAS_STATUS_SUCCESS();
    } finally {
      CublasLt.cublasLtMatmulPreferenceDestroy(preference);
    }
  }

  private static void align(MemorySegment preference, int attribute, int bytes, Arena arena) {
    prefer(preference, attribute, arena.allocateFrom(JAVA_INT, bytes));
  }

  private static void prefer(MemorySegment preference, int attribute, MemorySegment value) {
    Blas.check(
        "cublasLtMatmulPreferenceSetAttribute",
        CublasLt.cublasLtMatmulPreferenceSetAttribute(
            preference, attribute, value, value.byteSize()));
  }

  /** Whether the library has an algorithm at all. */
  boolean isPossible() {
    return possible;
  }

  MemorySegment operation() {
    return operation;
  }

  MemorySegment w() {
    return w;
  }

  MemorySegment x() {
    return x;
  }

  MemorySegment c() {
    return c;
  }

  MemorySegment d() {
    return d;
  }

  MemorySegment algorithm() {
    return cublasLtMatmulHeuristicResult_t.algo(result);
  }

  /** Bytes of workspace that the algorithm needs. */
  long workspace() {
    return cublasLtMatmulHeuristicResult_t.workspaceSize(result);
  }

  @Override
  public void close() {
    for (var layout : new MemorySegment[] {w, x, c, d}) {
      if (!layout.equals(MemorySegment.NULL)) {
        CublasLt.cublasLtMatrixLayoutDestroy(layout);
      }
    }
    if (!operation.equals(MemorySegment.NULL)) {
      CublasLt.cublasLtMatmulDescDestroy(operation);
    }
    memory.close();
  }
}
