package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.SoftwareDevice;
import dev.gatun.runtime.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Copies between host and device: dense and not, of any type, larger than a staging piece. */
@EnabledOnOs(OS.LINUX)
class TransferTest {
  private static final Device GPU = new Device(Device.Kind.CUDA, 0);

  private SoftwareDevice software;
  private Backend backend;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(1);
    backend = Backend.open(GPU);
  }

  @AfterEach
  void close() {
    if (backend == null) {
      return; // skipped
    }
    backend.close();
    assertEquals("", software.report());
    assertEquals(0, software.live());
    assertEquals(0, software.contexts());
  }

  private static float[] numbers(int count) {
    var random = new SplittableRandom(20);
    float[] numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) random.nextDouble(-1, 1);
    }
    return numbers;
  }

  /** Around a piece of 4 MiB, and in one that waits until somebody waits for it. */
  @ParameterizedTest
  @ValueSource(
      ints = {1, 7, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 5, (3 << 20) + 3})
  void thereAndBack(int count) {
    for (boolean lazy : new boolean[] {false, true}) {
      software.lazy(lazy);
      float[] numbers = numbers(count);
      try (var host = Tensor.of(Shape.of(count), numbers.clone());
          var device = backend.allocate(DType.F32, host.shape())) {
        backend.copy(host, device);
        host.setFloat(0, Float.NaN); // the copy is made, whenever it arrives
        backend.copy(device, host);
        assertArrayEquals(numbers, host.toFloats());
      }
    }
  }

  @Test
  void viewsOnEitherSide() {
    float[] numbers = numbers(5 * 7);
    try (var host = Tensor.of(Shape.of(5, 7), numbers);
        var device = backend.allocate(DType.F32, Shape.of(5, 9));
        var back = Tensor.allocate(DType.F32, Shape.of(5, 8))) {
      backend.copy(host.columns(2, 6), device.columns(3, 7));
      backend.copy(device.columns(3, 7), back.columns(1, 5));
      for (int r = 0; r < 5; r++) {
        for (int c = 0; c < 8; c++) {
          float expected = c >= 1 && c < 5 ? numbers[r * 7 + c + 1] : 0;
          assertEquals(expected, back.getFloat(r * 8 + c), "row " + r + ", column " + c);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"F16", "BF16"})
  void typesChangeOnTheWay(String name) {
    var type = DType.valueOf(name);
    float[] numbers = numbers(33);
    try (var host = Tensor.of(Shape.of(3, 11), numbers);
        var half = Tensor.allocate(type, Shape.of(3, 11));
        var expected = Tensor.allocate(type, Shape.of(3, 11));
        var device = backend.allocate(type, Shape.of(3, 11));
        var wide = backend.allocate(DType.F32, Shape.of(3, 11));
        var cpu = Backend.open(Device.CPU, "reference", 1)) {
      cpu.copy(host, expected);
      backend.copy(host, device); // f32 → 16 bits
      backend.copy(device, half);
      assertArrayEquals(expected.toFloats(), half.toFloats());
      backend.copy(half, wide); // 16 bits → f32
      backend.copy(wide, host);
      assertArrayEquals(expected.toFloats(), host.toFloats());
      backend.copy(wide, half); // f32 → 16 bits, downwards
      assertArrayEquals(expected.toFloats(), half.toFloats());
    }
  }

  @Test
  void indices() {
    try (var host = Tensor.of(Shape.of(3), 5L, -1L, 1L << 40);
        var device = backend.allocate(DType.I64, Shape.of(3));
        var back = Tensor.allocate(DType.I64, Shape.of(3))) {
      backend.copy(host, device);
      backend.copy(device, back);
      for (int i = 0; i < 3; i++) {
        assertEquals(host.getLong(i), back.getLong(i));
      }
    }
  }

  @Test
  void newTensorsAreZero() {
    try (var device = backend.allocate(DType.F32, Shape.of(1000));
        var host = Tensor.of(Shape.of(1000), numbers(1000))) {
      backend.copy(device, host);
      assertArrayEquals(new float[1000], host.toFloats());
    }
  }

  @Test
  void nothingIsCopiedToNowhere() {
    try (var host = Tensor.allocate(DType.F32, Shape.of(0, 4));
        var device = backend.allocate(DType.F32, Shape.of(0, 4))) {
      backend.copy(host, device);
      backend.copy(device, host);
    }
  }
}
