package dev.gatun.runtime.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.cuda.Cuda;
import dev.gatun.bindings.loader.LibraryLoader;
import dev.gatun.bindings.loader.NativeText;
import dev.gatun.bindings.loader.NvidiaLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The CUDA driver, whose every status is checked. Out-parameters live in an arena of the call.
 *
 * <p>Source: NVIDIA, "CUDA Driver API", Initialization, Version Management and Device Management.
 */
final class Driver {
  private static final System.Logger LOG = System.getLogger(Driver.class.getName());
  private static final int NAME_BYTES = 256;

  private Driver() {}

  /**
   * Loads the driver and initialises it; doing so again costs nothing.
   *
   * @throws dev.gatun.bindings.loader.MissingLibraryException if there is none
   * @throws CudaException if it does not start, for example because there is no GPU
   */
  static Driver open() {
    LibraryLoader.ofSystem().load(NvidiaLibrary.DRIVER);
    check("cuInit", Cuda.cuInit(0));
    return new Driver();
  }

  /** The newest CUDA that the driver knows: 1000·major + 10·minor. */
  int version() {
    try (var arena = Arena.ofConfined()) {
      var version = arena.allocate(JAVA_INT);
      check("cuDriverGetVersion", Cuda.cuDriverGetVersion(version));
      return version.get(JAVA_INT, 0);
    }
  }

  /** The GPUs that this process may see. */
  List<Gpu> gpus() {
    try (var arena = Arena.ofConfined()) {
      var count = arena.allocate(JAVA_INT);
      check("cuDeviceGetCount", Cuda.cuDeviceGetCount(count));
      var gpus = new ArrayList<Gpu>();
      for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
        gpus.add(gpu(i, arena));
      }
      return List.copyOf(gpus);
    }
  }

  /** Whether all GPUs have pools of memory; those of some virtual machines have none. */
  boolean hasMemoryPools() {
    try (var arena = Arena.ofConfined()) {
      for (var gpu : gpus()) {
        if (attribute(Cuda.CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED(), gpu.index(), arena) == 0) {
          return false;
        }
      }
      return true;
    }
  }

  private static Gpu gpu(int index, Arena arena) {
    var handle = arena.allocate(JAVA_INT);
    check("cuDeviceGet", Cuda.cuDeviceGet(handle, index));
    int device = handle.get(JAVA_INT, 0);
    var name = arena.allocate(NAME_BYTES);
    check("cuDeviceGetName", Cuda.cuDeviceGetName(name, NAME_BYTES, device));
    var bytes = arena.allocate(JAVA_LONG);
    check("cuDeviceTotalMem", Cuda.cuDeviceTotalMem_v2(bytes, device));
    return new Gpu(
        index,
        name.getString(0),
        attribute(Cuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR(), device, arena),
        attribute(Cuda.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR(), device, arena),
        attribute(Cuda.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT(), device, arena),
        bytes.get(JAVA_LONG, 0));
  }

  private static int attribute(int attribute, int device, Arena arena) {
    var value = arena.allocate(JAVA_INT);
    check("cuDeviceGetAttribute", Cuda.cuDeviceGetAttribute(value, attribute, device));
    return value.get(JAVA_INT, 0);
  }

  /** Throws what the driver says about a status that is no success. */
  static void check(String call, int status) {
    if (status == Cuda.CUDA_SUCCESS()) {
      return;
    }
    try (var arena = Arena.ofConfined()) {
      var pointer = arena.allocate(ADDRESS);
      // A status that the driver does not know leaves the pointer null.
      Cuda.cuGetErrorName(status, pointer);
      var name = NativeText.at(pointer.get(ADDRESS, 0));
      pointer.set(ADDRESS, 0, MemorySegment.NULL);
      Cuda.cuGetErrorString(status, pointer);
      throw new CudaException(call, status, name, NativeText.at(pointer.get(ADDRESS, 0)));
    }
  }

  /** Says in the log that something could not be given back: closing goes on. */
  static void warn(String call, int status) {
    if (status == Cuda.CUDA_SUCCESS()) {
      return;
    }
    try {
      check(call, status);
    } catch (CudaException e) {
      warn(e);
    }
  }

  /** Runs a step of closing; what fails goes to the log. */
  static void closing(Runnable step) {
    try {
      step.run();
    } catch (CudaException e) {
      warn(e);
    }
  }

  static void warn(Exception failure) {
    LOG.log(System.Logger.Level.WARNING, failure.getMessage());
  }
}
