package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import dev.gatun.bindings.cuda.Cuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Captured work, ready to be launched as a whole.
 *
 * <p>Source: NVIDIA, "CUDA Driver API", Graph Management.
 */
final class Graph implements AutoCloseable {
  private final MemorySegment executable;

  /**
   * @param captured destroyed here
   */
  Graph(MemorySegment captured) {
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      int status = Cuda.cuGraphInstantiateWithFlags(pointer, captured, 0);
      Driver.warn("cuGraphDestroy", Cuda.cuGraphDestroy(captured));
      Driver.check("cuGraphInstantiate", status);
      executable = pointer.get(ADDRESS, 0);
    }
  }

  /** Puts it into a stream. */
  void launch(Stream stream) {
    int status = Cuda.cuGraphLaunch(executable, stream.handle());
    if (status != Cuda.CUDA_SUCCESS()) {
      Driver.check("cuGraphLaunch", status);
    }
  }

  @Override
  public void close() {
    Driver.warn("cuGraphExecDestroy", Cuda.cuGraphExecDestroy(executable));
  }
}
