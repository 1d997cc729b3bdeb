package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cuda.Cuda;
import dev.gatun.bindings.loader.NativeMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A context with its stream, and the memory that is allocated in the order of that stream. It lives
 * until its backend and everything that was allocated are closed, whatever comes last: tensors may
 * outlive the backend that made them.
 *
 * <p>Source: NVIDIA, "CUDA Driver API", Stream Ordered Memory Allocator.
 */
final class Session implements AutoCloseable {
  private static final long MOST_WORKSPACE = 512 << 20;
  private static final long KEEP_ALL = -1L; // as an unsigned number: never give memory back

  private final Gpu gpu;
  private final Context context;
  private final Stream stream;
  private final MemorySegment pool;
  private final AtomicInteger users = new AtomicInteger(1);
  private final List<Long> postponed = new ArrayList<>();
  private boolean closed;

  Session(Gpu gpu) {
    this.gpu = gpu;
    context = new Context(gpu.index());
    Stream made = null;
    try {
      context.enter();
      made = new Stream();
      pool = pool(gpu.index());
    } catch (RuntimeException | Error e) {
      if (made != null) {
        made.close();
      }
      context.close();
      throw e;
    }
    stream = made;
  }

  private static MemorySegment pool(int device) {
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      Driver.check("cuDeviceGetDefaultMemPool", Cuda.cuDeviceGetDefaultMemPool(pointer, device));
      var pool = pointer.get(ADDRESS, 0);
      var threshold = arena.allocateFrom(JAVA_LONG, KEEP_ALL);
      Driver.check(
          "cuMemPoolSetAttribute",
          Cuda.cuMemPoolSetAttribute(pool, Cuda.CU_MEMPOOL_ATTR_RELEASE_THRESHOLD(), threshold));
      return pool;
    }
  }

  /** How much memory an operator may need while it runs, if there is another way to compute it. */
  long mostWorkspace() {
    return Math.min(MOST_WORKSPACE, gpu.bytes() / 16);
  }

  Gpu gpu() {
    return gpu;
  }

  Stream stream() {
    return stream;
  }

  /**
   * Makes the context current; comes before every group of calls.
   *
   * @throws IllegalStateException if the backend is closed
   */
  void enter() {
    if (closed) {
      throw new IllegalStateException("the cuda backend is closed");
    }
    context.enter();
  }

  /** Makes the context current to free something, also after the backend was closed. */
  void current() {
    context.enter();
  }

  /**
   * Device memory that is freed with an arena. What it holds is undefined.
   *
   * @throws CudaException if there is not so much
   */
  MemorySegment allocate(long bytes, Arena owner) {
    enter();
    if (stream.isCapturing()) {
      throw new UnrecordableException("memory is allocated");
    }
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(JAVA_LONG);
      // Of no bytes the driver gives none; a tensor without elements has an address all the same.
      long size = Math.max(1, bytes);
      int status = Cuda.cuMemAllocAsync(pointer, size, stream.handle());
      if (status != Cuda.CUDA_SUCCESS()) {
        Driver.check("cuMemAllocAsync of " + gigabytes(bytes) + free(), status);
      }
      join();
      return NativeMemory.at(pointer.get(JAVA_LONG, 0), size, owner, this::free);
    }
  }

  /** Sets rows of bytes to zero. */
  void zero(long address, long rows, long bytes, long stride) {
    boolean dense = stride == bytes;
    for (long r = 0; r < (dense ? 1 : rows); r++) {
      int status =
          Cuda.cuMemsetD8Async(
              address + r * stride, (byte) 0, dense ? rows * bytes : bytes, stream.handle());
      if (status != Cuda.CUDA_SUCCESS()) {
        Driver.check("cuMemsetD8Async", status);
      }
    }
  }

  /** Pinned host memory, which the device copies from and to by itself; freed with an arena. */
  MemorySegment allocatePinned(long bytes, Arena owner) {
    enter();
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(JAVA_LONG);
      Driver.check("cuMemHostAlloc", Cuda.cuMemHostAlloc(pointer, bytes, 0));
      join();
      return NativeMemory.at(pointer.get(JAVA_LONG, 0), bytes, owner, this::freePinned);
    }
  }

  private static String gigabytes(long bytes) {
    return String.format(Locale.ROOT, "%.3f GB", bytes / 1e9);
  }

  private String free() {
    try (var arena = Arena.ofConfined()) {
      var free = arena.allocate(JAVA_LONG);
      var total = arena.allocate(JAVA_LONG);
      return Cuda.cuMemGetInfo_v2(free, total) == Cuda.CUDA_SUCCESS()
          ? " with " + gigabytes(free.get(JAVA_LONG, 0)) + " free on " + gpu.name()
          : "";
    }
  }

  /**
   * Captures work.
   *
   * @throws UnrecordableException if the work needs the host or more memory
   * @throws CudaException if the driver cannot record it
   */
  Graph capture(Runnable work) {
    try {
      return stream.capture(work);
    } finally {
      postponed.forEach(this::free);
      postponed.clear();
    }
  }

  private void free(long address) {
    if (stream.isCapturing()) {
      postponed.add(address); // or it would become a part of the record
      return;
    }
    // Tried also where the context cannot be made current: it may be all the same.
    Driver.closing(context::enter);
    Driver.warn("cuMemFreeAsync", Cuda.cuMemFreeAsync(address, stream.handle()));
    leave();
  }

  private void freePinned(long address) {
    Driver.closing(context::enter);
    // The device may still be reading it.
    Driver.warn("cuStreamSynchronize", Cuda.cuStreamSynchronize(stream.handle()));
    Driver.warn("cuMemFreeHost", Cuda.cuMemFreeHost(MemorySegment.ofAddress(address)));
    leave();
  }

  /** One user more: something else that needs the context, until it {@linkplain #leave leaves}. */
  void join() {
    users.incrementAndGet();
  }

  /** One user less; the last one turns off the light. */
  void leave() {
    if (users.decrementAndGet() > 0) {
      return;
    }
    Driver.closing(context::enter);
    Driver.warn("cuStreamSynchronize", Cuda.cuStreamSynchronize(stream.handle()));
    stream.close();
    Driver.warn("cuMemPoolTrimTo", Cuda.cuMemPoolTrimTo(pool, 0));
    context.close();
  }

  /** Whether the backend has not closed it yet. */
  boolean isOpen() {
    return !closed;
  }

  /** Ends the backend's use; a second time does nothing. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      leave();
    }
  }
}
