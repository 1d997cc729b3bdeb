// D = activation(alpha * op(A) * op(B) + beta * C + bias) of the software cuBLASLt: which products it takes, what it
// remembers in the algorithm that it chooses, and the product itself. Matrices are in columns.
#include "cublaslt.h"
#include "floats.h"
#include "gemm.h"

#include <cmath>
#include <string>

using namespace blas;
using soft::Type;

namespace {

// The algorithm's words: a mark, a number that stands for the problem, the alignments, and the bytes of workspace.
enum { MARK, PROBLEM, ALIGNMENTS, WORKSPACE };
constexpr uint64_t MARKED = 0x6761746e6c74ULL;

constexpr uint64_t WORKSPACE_BYTES = 4096;
constexpr uintptr_t WORKSPACE_ALIGNMENT = 256;

enum { A, B, C, D };
const char* const NAMES[] = {"A", "B", "C", "D"};

struct Matrix {
  Type type;
  int64_t rows, columns, ld, stride;
  int32_t batch;
};

// A product, all but where its matrices are.
struct Problem {
  Matrix matrices[4];
  bool transposeA, transposeB;
  int64_t m, n, k;
  int32_t compute;
  uint32_t epilogue;
  Type biasType;
  int64_t biasStride;
};

struct Call {
  Problem problem;
  float alpha, beta;
  char* at[4];
  const char* bias;
};

bool known(int32_t type, Type& to) {
  to = type == CUDA_R_16F ? Type::F16 : type == CUDA_R_16BF ? Type::BF16 : Type::F32;
  return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

bool hasBias(uint32_t epilogue) { return (epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }

bool hasEpilogue(uint32_t epilogue) {
  switch (epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS:
      return true;
    default:
      return false;
  }
}

cublasStatus_t matrix(const char* function, const char* name, cublasLtMatrixLayout_t handle, Matrix& to) {
  auto layout = layouts.find(handle);
  if (layout == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: the layout of %s, %p, is not live", function, name,
           static_cast<void*>(handle));
  }
  Type type;
  if (!known(layout->type, type) || layout->order != CUBLASLT_ORDER_COL) {
    REFUSE(CUBLAS_STATUS_NOT_SUPPORTED, "%s: type %d and order %d of %s are not supported", function, layout->type,
           layout->order, name);
  }
  int64_t rows = static_cast<int64_t>(layout->rows);
  int64_t columns = static_cast<int64_t>(layout->columns);
  if (rows < 1 || columns < 1 || layout->ld < rows || layout->batch < 1) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE,
           "%s: %s cannot have %ld rows, %ld columns, %ld from column to column, and %d of them", function, name, rows,
           columns, layout->ld, layout->batch);
  }
  to = {type, rows, columns, layout->ld, layout->batch > 1 ? layout->stride : 0, layout->batch};
  return CUBLAS_STATUS_SUCCESS;
}

// Which types of A, B, C and D go together with how products are computed.
bool supported(const Problem& problem) {
  const Matrix* of = problem.matrices;
  bool sameInputs = of[A].type == of[B].type && of[C].type == of[D].type;
  bool fast = problem.compute == CUBLAS_COMPUTE_32F_FAST_TF32 || problem.compute == CUBLAS_COMPUTE_32F_FAST_16BF;
  bool exact = problem.compute == CUBLAS_COMPUTE_32F || problem.compute == CUBLAS_COMPUTE_32F_PEDANTIC;
  return sameInputs && (fast || exact) && (!fast || of[A].type == Type::F32) &&
         (of[D].type == Type::F32 || of[D].type == of[A].type);
}

cublasStatus_t problem(const char* function, cublasLtMatmulDesc_t handle, const cublasLtMatrixLayout_t (&given)[4],
                       Problem& to) {
  auto description = descriptions.find(handle);
  if (description == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: the description %p is not live", function, static_cast<void*>(handle));
  }
  for (int i = A; i <= D; i++) {
    cublasStatus_t status = matrix(function, NAMES[i], given[i], to.matrices[i]);
    if (status != CUBLAS_STATUS_SUCCESS) {
      return status;
    }
  }
  const auto& [a, b, c, d] = to.matrices;
  bool ops = description->transposeA >= CUBLAS_OP_N && description->transposeA <= CUBLAS_OP_C &&
             description->transposeB >= CUBLAS_OP_N && description->transposeB <= CUBLAS_OP_C;
  if (!ops) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: operations %d on A and %d on B do not exist", function,
           description->transposeA, description->transposeB);
  }
  to.transposeA = description->transposeA != CUBLAS_OP_N;
  to.transposeB = description->transposeB != CUBLAS_OP_N;
  to.compute = description->compute;
  to.epilogue = description->epilogue;
  to.biasStride = description->biasStride;
  to.biasType = d.type;
  bool biasKnown = description->biasType < 0 || known(description->biasType, to.biasType);
  if (!supported(to) || !biasKnown || description->scale != CUDA_R_32F || description->transposeC != CUBLAS_OP_N ||
      description->pointerMode != CUBLASLT_POINTER_MODE_HOST || !hasEpilogue(to.epilogue)) {
    REFUSE(CUBLAS_STATUS_NOT_SUPPORTED,
           "%s: not supported: compute type %d, scale type %d, pointer mode %d, operation %d on C, epilogue %u, bias "
           "type %d, "
           "with A, B, C, D of %zu, %zu, %zu, %zu bytes an element",
           function, description->compute, description->scale, description->pointerMode, description->transposeC,
           description->epilogue, description->biasType, soft::size(a.type), soft::size(b.type), soft::size(c.type),
           soft::size(d.type));
  }
  to.m = to.transposeA ? a.columns : a.rows;
  to.k = to.transposeA ? a.rows : a.columns;
  to.n = to.transposeB ? b.rows : b.columns;
  bool fits = to.k == (to.transposeB ? b.columns : b.rows) && d.rows == to.m && d.columns == to.n && c.rows == to.m &&
              c.columns == to.n && a.batch == b.batch && a.batch == c.batch && a.batch == d.batch;
  if (!fits) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE,
           "%s: layouts do not fit: %d times A %ld x %ld%s, %d times B %ld x %ld%s, %d times C %ld x %ld, %d times D "
           "%ld x %ld",
           function, a.batch, a.rows, a.columns, to.transposeA ? " transposed" : "", b.batch, b.rows, b.columns,
           to.transposeB ? " transposed" : "", c.batch, c.rows, c.columns, d.batch, d.rows, d.columns);
  }
  // Columns of one result may lie between those of another, as where heads of an attention share rows.
  if (d.batch > 1 && d.stride < d.rows) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: results of %ld rows overlap %ld apart", function, d.rows, d.stride);
  }
  return CUBLAS_STATUS_SUCCESS;
}

// A number that another problem does not have.
uint64_t fingerprint(const Problem& problem) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  auto mix = [&hash](int64_t value) { hash = (hash ^ static_cast<uint64_t>(value)) * 0x100000001b3ULL ^ hash >> 29; };
  for (const Matrix& matrix : problem.matrices) {
    mix(static_cast<int64_t>(matrix.type));
    mix(matrix.rows);
    mix(matrix.columns);
    mix(matrix.ld);
    mix(matrix.stride);
    mix(matrix.batch);
  }
  mix(problem.transposeA);
  mix(problem.transposeB);
  mix(problem.compute);
  mix(problem.epilogue);
  mix(static_cast<int64_t>(problem.biasType));
  mix(problem.biasStride);
  return hash;
}

// What A or B is in strips: rows that the sums run along the depth of.
struct Operand {
  const char* from;
  Type type;
  int64_t rowStep, depthStep;
  int32_t compute;

  void operator()(int64_t row, int64_t count, int64_t depth, float* to) const {
    int64_t at = row * rowStep + depth * depthStep;
    for (int64_t i = 0; i < count; i++) {
      to[i] = soft::load(from, at + i * rowStep, type);
    }
    if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) {
      for (int64_t i = 0; i < count; i++) {
        to[i] = soft::toTf32(to[i]);
      }
    } else if (compute == CUBLAS_COMPUTE_32F_FAST_16BF) {
      for (int64_t i = 0; i < count; i++) {
        to[i] = soft::rounded(to[i], Type::BF16);
      }
    }
  }
};

float activate(float value, uint32_t epilogue) {
  switch (epilogue & ~static_cast<uint32_t>(CUBLASLT_EPILOGUE_BIAS)) {
    case CUBLASLT_EPILOGUE_RELU:
      return value > 0 ? value : 0;
    case CUBLASLT_EPILOGUE_GELU:
      return 0.5f * value * (1 + std::tanh(0.79788456f * (value + 0.044715f * value * value * value)));
    default:
      return value;
  }
}

bool reachable(const Call& call, int which, int32_t batch) {
  const Matrix& matrix = call.problem.matrices[which];
  size_t element = soft::size(matrix.type);
  char* at = call.at[which] + batch * matrix.stride * static_cast<int64_t>(element);
  size_t bytes = matrix.rows * element;
  size_t step = matrix.ld * element;
  return which == D ? soft::writable(at, matrix.columns, bytes, step, "D of cublasLtMatmul")
                    : soft::readable(at, matrix.columns, bytes, step,
                                     (std::string(NAMES[which]) + " of cublasLtMatmul").c_str());
}

bool reachable(const Call& call) {
  for (int32_t batch = 0; batch < call.problem.matrices[D].batch; batch++) {
    for (int which = A; which <= D; which++) {
      if ((which != C || call.beta != 0) && !reachable(call, which, batch)) {
        return false;
      }
    }
    const char* bias =
        call.bias + batch * call.problem.biasStride * static_cast<int64_t>(soft::size(call.problem.biasType));
    if (hasBias(call.problem.epilogue) &&
        !soft::readable(bias, call.problem.m * soft::size(call.problem.biasType), "the bias of cublasLtMatmul")) {
      return false;
    }
  }
  return true;
}

// Turns the sums of one product into D.
void finish(const Call& call, int32_t batch, const std::vector<float>& sums) {
  const Problem& problem = call.problem;
  const Matrix& c = problem.matrices[C];
  const Matrix& d = problem.matrices[D];
  for (int64_t column = 0; column < problem.n; column++) {
    for (int64_t row = 0; row < problem.m; row++) {
      float value = call.alpha * sums[column * problem.m + row];
      if (call.beta != 0) {
        value += call.beta * soft::load(call.at[C], batch * c.stride + column * c.ld + row, c.type);
      }
      if (hasBias(problem.epilogue)) {
        value += soft::load(call.bias, batch * problem.biasStride + row, problem.biasType);
      }
      soft::store(call.at[D], batch * d.stride + column * d.ld + row, d.type, activate(value, problem.epilogue));
    }
  }
}

CUresult run(const Call& call) {
  if (!reachable(call)) {
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  const Problem& problem = call.problem;
  const Matrix& a = problem.matrices[A];
  const Matrix& b = problem.matrices[B];
  const Matrix& d = problem.matrices[D];
  std::vector<float> sums(problem.m * problem.n);
  for (int32_t batch = 0; batch < d.batch; batch++) {
    Operand rows{call.at[A] + batch * a.stride * static_cast<int64_t>(soft::size(a.type)), a.type,
                 problem.transposeA ? a.ld : 1, problem.transposeA ? 1 : a.ld, problem.compute};
    Operand columns{call.at[B] + batch * b.stride * static_cast<int64_t>(soft::size(b.type)), b.type,
                    problem.transposeB ? 1 : b.ld, problem.transposeB ? b.ld : 1, problem.compute};
    soft::multiply(problem.m, problem.n, problem.k, soft::strips(problem.m, problem.k, soft::TILE_ROWS, rows),
                   soft::strips(problem.n, problem.k, soft::TILE_COLUMNS, columns), sums.data());
    finish(call, batch, sums);
    soft::written(call.at[D] + batch * d.stride * static_cast<int64_t>(soft::size(d.type)), d.columns,
                  d.rows * soft::size(d.type), d.ld * soft::size(d.type));
  }
  return CUDA_SUCCESS;
}

// Whether an algorithm was chosen for such a call.
cublasStatus_t check(const Call& call, const cublasLtMatmulAlgo_t& algo, void* workspace, size_t workspaceBytes) {
  if (algo.data[MARK] != MARKED) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "cublasLtMatmul: the algorithm is none that was given");
  }
  if (algo.data[PROBLEM] != fingerprint(call.problem)) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE,
           "cublasLtMatmul: the algorithm was chosen for another problem than %ld x %ld x %ld", call.problem.m,
           call.problem.n, call.problem.k);
  }
  for (int i = A; i <= D; i++) {
    uintptr_t alignment = uintptr_t{1} << (algo.data[ALIGNMENTS] >> 8 * i & 0xff);
    if (reinterpret_cast<uintptr_t>(call.at[i]) % alignment != 0) {
      REFUSE(CUBLAS_STATUS_INVALID_VALUE,
             "cublasLtMatmul: %s at %p is not aligned to %zu bytes, which the algorithm was chosen for", NAMES[i],
             static_cast<void*>(call.at[i]), static_cast<size_t>(alignment));
    }
  }
  size_t needed = algo.data[WORKSPACE];
  if (needed == 0) {
    return CUBLAS_STATUS_SUCCESS;
  }
  if (workspaceBytes < needed || reinterpret_cast<uintptr_t>(workspace) % WORKSPACE_ALIGNMENT != 0 ||
      !soft::writable(workspace, workspaceBytes, "the workspace of cublasLtMatmul")) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "cublasLtMatmul: the algorithm needs %zu bytes of device memory, not %zu at %p",
           needed, workspaceBytes, workspace);
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

EXPORT cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t preferenceHandle, int most,
                                                     cublasLtMatmulHeuristicResult_t results[], int* count) {
  const char* function = "cublasLtMatmulAlgoGetHeuristic";
  ENTER(function);
  if (libraries.find(handle) == nullptr) {
    REFUSE(CUBLAS_STATUS_NOT_INITIALIZED, "%s: %p is no live handle", function, static_cast<void*>(handle));
  }
  auto preference = preferences.find(preferenceHandle);
  if (preference == nullptr || most < 1 || results == nullptr || count == nullptr) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: preference %p, %d results at %p, their number at %p", function,
           static_cast<void*>(preferenceHandle), most, static_cast<void*>(results), static_cast<void*>(count));
  }
  *count = 0;
  Problem asked{};
  cublasStatus_t status = problem(function, description, {a, b, c, d}, asked);
  if (status != CUBLAS_STATUS_SUCCESS) {
    return status;
  }
  cublasLtMatmulHeuristicResult_t result{};
  result.workspaceSize = preference->workspace >= WORKSPACE_BYTES ? WORKSPACE_BYTES : 0;
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1;
  result.algo.data[MARK] = MARKED;
  result.algo.data[PROBLEM] = fingerprint(asked);
  result.algo.data[WORKSPACE] = result.workspaceSize;
  for (int i = A; i <= D; i++) {
    result.algo.data[ALIGNMENTS] |= static_cast<uint64_t>(__builtin_ctz(preference->alignment[i])) << 8 * i;
  }
  results[0] = result;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

EXPORT cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha,
                                     const void* a, cublasLtMatrixLayout_t aLayout, const void* b,
                                     cublasLtMatrixLayout_t bLayout, const void* beta, const void* c,
                                     cublasLtMatrixLayout_t cLayout, void* d, cublasLtMatrixLayout_t dLayout,
                                     const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspaceBytes,
                                     cudaStream_t stream) {
  const char* function = "cublasLtMatmul";
  ENTER(function);
  if (libraries.find(handle) == nullptr || !soft::hasContext()) {
    REFUSE(CUBLAS_STATUS_NOT_INITIALIZED, "%s: %p is no live handle, or there is no current context", function,
           static_cast<void*>(handle));
  }
  Call call{};
  cublasStatus_t status = problem(function, description, {aLayout, bLayout, cLayout, dLayout}, call.problem);
  if (status != CUBLAS_STATUS_SUCCESS) {
    return status;
  }
  const void* matrices[] = {a, b, c, d};
  for (int i = A; i <= D; i++) {
    call.at[i] = static_cast<char*>(const_cast<void*>(matrices[i]));
    if (call.at[i] == nullptr ||
        reinterpret_cast<uintptr_t>(call.at[i]) % soft::size(call.problem.matrices[i].type) != 0) {
      REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: %s cannot be at %p", function, NAMES[i], matrices[i]);
    }
  }
  // Read at the call: a graph that is captured keeps the numbers, not where they were.
  call.bias = static_cast<const char*>(descriptions.find(description)->bias);
  if (alpha == nullptr || beta == nullptr || (hasBias(call.problem.epilogue) && call.bias == nullptr)) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: alpha at %p, beta at %p, bias at %p", function, alpha, beta,
           static_cast<const void*>(call.bias));
  }
  memcpy(&call.alpha, alpha, sizeof call.alpha);
  memcpy(&call.beta, beta, sizeof call.beta);
  const Matrix& cMatrix = call.problem.matrices[C];
  const Matrix& dMatrix = call.problem.matrices[D];
  if (c == d && (cMatrix.ld != dMatrix.ld || cMatrix.stride != dMatrix.stride)) {
    REFUSE(CUBLAS_STATUS_INVALID_VALUE, "%s: C is D with another layout", function);
  }
  if (algo != nullptr) {
    status = check(call, *algo, workspace, workspaceBytes);
    if (status != CUBLAS_STATUS_SUCCESS) {
      return status;
    }
  }
  CUresult result = soft::enqueue(stream, [call] { return run(call); }, function);
  return result == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
