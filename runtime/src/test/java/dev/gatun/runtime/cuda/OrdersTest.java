package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.SoftwareDevice;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** A step gives the same whenever its work is done, in whatever order, and also on the CPU. */
@EnabledOnOs(OS.LINUX)
class OrdersTest {
  private static final float TOLERANCE = 2e-5f;

  private SoftwareDevice software;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(1);
  }

  private static float[] run(Device device) {
    try (var backend = Backend.open(device)) {
      return SmallStep.run(backend);
    }
  }

  private float[] onCuda() {
    float[] result = run(new Device(Device.Kind.CUDA, 0));
    assertEquals("", software.report());
    assertEquals(0, software.live());
    return result;
  }

  @Test
  void theCpuGivesTheSame() {
    float[] expected = run(Device.CPU);
    assertTrue(expected[5] != expected[6]);
    assertArrayEquals(expected, onCuda(), TOLERANCE);
  }

  /** A forgotten barrier shows when the threads of a block run the other way round. */
  @Test
  void theOrderOfThreadsDoesNotMatter() {
    float[] expected = onCuda();
    software.reverse(true);
    assertArrayEquals(expected, onCuda());
  }

  /** Host memory that is given back too early shows when copies are made late. */
  @Test
  void workMayBeDoneLate() {
    float[] expected = onCuda();
    software.lazy(true);
    assertArrayEquals(expected, onCuda());
  }

  /** Every way around what cuDNN has no engine for. */
  @Test
  void withoutEnginesOwnKernelsCompute() {
    float[] expected = onCuda();
    for (int refused : new int[] {1, 2, 4, 8, 15}) {
      software.refuse(refused);
      assertArrayEquals(expected, onCuda(), TOLERANCE, "refused " + refused);
    }
  }
}
