package dev.gatun.models.checkpoint;

import dev.gatun.runtime.Device;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

/**
 * Where the elements of a tensor lie in its file.
 *
 * @param info name, type and shape
 * @param offset where the first element is, in bytes
 * @param strides distance of neighbours on each axis, in elements
 */
record StoredTensor(TensorInfo info, long offset, long[] strides) {
  /** A tensor whose elements lie back to back, in row-major order. */
  static StoredTensor contiguous(TensorInfo info, long offset) {
    int[] dims = info.shape().dims();
    long[] strides = new long[dims.length];
    long stride = 1;
    for (int i = dims.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= Math.max(dims[i], 1);
    }
    return new StoredTensor(info, offset, strides);
  }

  boolean isContiguous() {
    return contiguousAxes() == info.shape().rank();
  }

  /** How many of the last axes lie back to back. */
  private int contiguousAxes() {
    var shape = info.shape();
    if (shape.size() == 0) {
      return shape.rank();
    }
    long run = 1;
    int axis = shape.rank() - 1;
    while (axis >= 0 && (shape.dim(axis) == 1 || strides[axis] == run)) {
      run *= shape.dim(axis);
      axis--;
    }
    return shape.rank() - 1 - axis;
  }

  /** Hands the tensor to {@code use}: a view of the file, or a copy that is closed afterwards. */
  <R> R read(MemorySegment file, Function<Tensor, R> use) {
    if (isContiguous()) {
      var bytes = file.asSlice(offset, info.bytes());
      return use.apply(Tensor.wrap(Device.CPU, info.dtype(), info.shape(), bytes));
    }
    try (var copy = Tensor.allocate(info.dtype(), info.shape())) {
      gather(file, copy.segment());
      return use.apply(copy);
    }
  }

  /** Copies run by run, counting up the axes that do not lie back to back like an odometer. */
  private void gather(MemorySegment file, MemorySegment to) {
    int[] dims = info.shape().dims();
    int outer = dims.length - contiguousAxes();
    int size = info.dtype().bytes();
    long run = size;
    for (int i = outer; i < dims.length; i++) {
      run *= dims[i];
    }
    int[] index = new int[outer];
    long from = offset;
    for (long at = 0; at < to.byteSize(); at += run) {
      MemorySegment.copy(file, from, to, at, run);
      for (int axis = outer - 1; axis >= 0; axis--) {
        from += strides[axis] * size;
        if (++index[axis] < dims[axis]) {
          break;
        }
        from -= strides[axis] * size * dims[axis];
        index[axis] = 0;
      }
    }
  }
}
