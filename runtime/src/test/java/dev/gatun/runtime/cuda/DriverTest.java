package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.SoftwareDevice;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@EnabledOnOs(OS.LINUX)
class DriverTest {
  private static SoftwareDevice software;

  @BeforeAll
  static void build() {
    software = SoftwareDevice.open();
  }

  @BeforeEach
  void reset() {
    software.reset(1);
  }

  @Test
  void theSoftwareDeviceAgreesWithNvidiasHeader() {
    SoftwareDevice.compareWithHeaders();
  }

  @Test
  void theGpusAreDescribed() {
    software.reset(2);
    var driver = Driver.open();
    assertEquals(13020, driver.version());
    assertEquals(
        List.of(
            new Gpu(0, "Software device 0", 9, 0, 2, 2L << 30),
            new Gpu(1, "Software device 1", 9, 0, 2, 3L << 30)),
        driver.gpus());
    assertEquals(
        "Software device 1 (compute capability 9.0, 2 multiprocessors, 3 GiB)",
        driver.gpus().getLast().toString());
  }

  @Test
  void withoutAGpuTheDriverDoesNotStart() {
    software.reset(0);
    var e = assertThrows(CudaException.class, Driver::open);
    assertEquals(100, e.status());
    assertEquals(
        "cuInit failed with CUDA_ERROR_NO_DEVICE (no CUDA-capable device is detected): see with"
            + " nvidia-smi whether the driver knows a GPU, and whether CUDA_VISIBLE_DEVICES hides"
            + " it",
        e.getMessage());
    assertEquals(e.getMessage(), Backend.unavailable(Device.Kind.CUDA, "cuda"));
  }

  @Test
  void aStatusThatTheDriverDoesNotKnowIsANumber() {
    software.fail("cuInit", 4711);
    var e = assertThrows(CudaException.class, Driver::open);
    assertEquals(
        "cuInit failed with status 4711: see what nvidia-smi says about the GPU", e.getMessage());
  }

  /** Each call in turn: the sentence names it, whatever comes before. */
  @ParameterizedTest
  @CsvSource({
    "cuInit, cuInit",
    "cuDriverGetVersion, cuDriverGetVersion",
    "cuDeviceGetCount, cuDeviceGetCount",
    "cuDeviceGet, cuDeviceGet",
    "cuDeviceGetName, cuDeviceGetName",
    "cuDeviceTotalMem_v2, cuDeviceTotalMem",
    "cuDeviceGetAttribute, cuDeviceGetAttribute"
  })
  void everyFailureIsOneSentence(String function, String named) {
    software.fail(function, 2);
    assertEquals(
        named
            + " failed with CUDA_ERROR_OUT_OF_MEMORY (out of memory): take a smaller batch, or end"
            + " other programs on this GPU",
        Backend.unavailable(Device.Kind.CUDA, "cuda"));
    assertEquals(1, software.calls(function));
  }

  @Test
  void aGpuThatIsNotThereIsNamed() {
    var e =
        assertThrows(
            UnsupportedOperationException.class,
            () -> Backend.open(new Device(Device.Kind.CUDA, 3)).close());
    assertEquals("there is no cuda:3: the NVIDIA driver shows one GPU, cuda:0", e.getMessage());
  }
}
