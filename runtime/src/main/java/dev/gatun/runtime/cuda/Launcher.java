package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cuda.Cuda;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Launches kernels on a stream: {@code launcher.of(kernel).tensor(x).value(n).launch(blocks,
 * threads)}. The arguments are packed one after the other, each aligned to its own size, as C does
 * it with the parameters of a function; a launch allocates nothing.
 *
 * <p>Source: NVIDIA, "CUDA Driver API", cuLaunchKernel, {@code CU_LAUNCH_PARAM_BUFFER_POINTER}.
 */
final class Launcher implements AutoCloseable {
  private static final int CAPACITY = 1024;
  private static final int MOST_BLOCKS = Integer.MAX_VALUE;

  // CU_LAUNCH_PARAM_BUFFER_POINTER, _BUFFER_SIZE and _END: pointers in cuda.h, which jextract
  // leaves out.
  private static final MemorySegment BUFFER = MemorySegment.ofAddress(1);
  private static final MemorySegment SIZE = MemorySegment.ofAddress(2);

  private final Arena arena = Arena.ofShared();
  private final MemorySegment arguments = arena.allocate(CAPACITY, 16);
  private final MemorySegment size = arena.allocate(JAVA_LONG);
  private final MemorySegment extra = arena.allocate(5 * ADDRESS.byteSize(), 8);
  private final MemorySegment stream;
  private Kernel kernel;
  private long used;

  /**
   * @param stream the driver's handle
   */
  Launcher(MemorySegment stream) {
    this.stream = stream;
    extra.setAtIndex(ADDRESS, 0, BUFFER);
    extra.setAtIndex(ADDRESS, 1, arguments);
    extra.setAtIndex(ADDRESS, 2, SIZE);
    extra.setAtIndex(ADDRESS, 3, size);
    extra.setAtIndex(ADDRESS, 4, MemorySegment.NULL);
  }

  /** Begins with the arguments of a launch. */
  Launcher of(Kernel next) {
    kernel = next;
    used = 0;
    return this;
  }

  /** Two arguments: the address, and the distance of rows in elements; zeros for null. */
  Launcher tensor(Tensor tensor) {
    return tensor == null ? value(0L).value(0L) : pointer(tensor).value((long) tensor.rowStride());
  }

  /** The address alone; zero for null. */
  Launcher pointer(Tensor tensor) {
    return value(tensor == null ? 0L : tensor.address());
  }

  Launcher value(int value) {
    arguments.set(JAVA_INT, place(4), value);
    return this;
  }

  /** A {@code long long} or an address. */
  Launcher value(long value) {
    arguments.set(JAVA_LONG, place(8), value);
    return this;
  }

  Launcher value(float value) {
    arguments.set(JAVA_FLOAT, place(4), value);
    return this;
  }

  Launcher value(double value) {
    arguments.set(JAVA_DOUBLE, place(8), value);
    return this;
  }

  private long place(int bytes) {
    long at = Math.ceilDiv(used, bytes) * bytes;
    used = at + bytes;
    return at;
  }

  /** Launches blocks in one row, without shared memory but the kernel's own; none at all for 0. */
  void launch(long blocks, int threads) {
    launch(blocks, 1, 1, threads);
  }

  /**
   * Launches.
   *
   * @param x blocks along the first axis
   * @param y blocks along the second, at most 65535
   * @param z blocks along the third, at most 65535
   * @param threads of a block, all along the first axis
   * @throws CudaException if there are more blocks than a grid may have
   */
  void launch(long x, int y, int z, int threads) {
    if (x == 0 || y == 0 || z == 0) {
      return;
    }
    if (x > MOST_BLOCKS) {
      throw new CudaException(
          kernel.name()
              + " would need "
              + x
              + " blocks, more than a GPU takes: take a smaller batch");
    }
    size.set(JAVA_LONG, 0, used);
    int status =
        Cuda.cuLaunchKernel(
            kernel.function(), (int) x, y, z, threads, 1, 1, 0, stream, MemorySegment.NULL, extra);
    if (status != Cuda.CUDA_SUCCESS()) {
      Driver.check("cuLaunchKernel of " + kernel.name(), status);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
