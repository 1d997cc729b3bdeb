package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
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
import org.junit.jupiter.params.provider.CsvSource;

/** Products round as much as they may, and only then. */
@EnabledOnOs(OS.LINUX)
class PrecisionTest {
  private static final int SIZE = 96;

  private SoftwareDevice software;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(1);
  }

  @AfterEach
  void forget() {
    System.clearProperty(Precision.PROPERTY);
  }

  @ParameterizedTest
  @CsvSource({"f32, 0, 2e-6", "tf32, 5e-5, 2e-3", "bf16, 5e-4, 2e-2"})
  void linearRounds(String precision, double least, double most) {
    System.setProperty(Precision.PROPERTY, precision);
    try (var cpu = Backend.open(Device.CPU, "reference", 1);
        var cuda = Backend.open(new Device(Device.Kind.CUDA, 0))) {
      double error = difference(linear(cpu), linear(cuda));
      assertTrue(least <= error && error <= most, precision + " is off by " + error);
      assertTrue(cuda.description().contains("products in " + precision), cuda.description());
    }
  }

  /** cuDNN's attention is taken where it may round, our own where not. */
  @ParameterizedTest
  @CsvSource({"f32, false", "tf32, false", "bf16, true"})
  void attentionRunsWhereItMay(String precision, boolean fused) {
    System.setProperty(Precision.PROPERTY, precision);
    try (var cpu = Backend.open(Device.CPU, "reference", 1);
        var cuda = Backend.open(new Device(Device.Kind.CUDA, 0))) {
      int before = software.calls("cudnnBackendExecute");
      double error = difference(attention(cpu), attention(cuda));
      assertEquals(fused, software.calls("cudnnBackendExecute") > before);
      assertTrue(error <= 2e-2, precision + " is off by " + error);
    }
    assertEquals("", software.report());
    assertEquals(0, software.live());
  }

  @Test
  void anotherNameIsRefused() {
    System.setProperty(Precision.PROPERTY, "f16");
    var e = assertThrows(IllegalArgumentException.class, Precision::ofSystem);
    assertEquals("-Dgatun.cuda.math=f16 is unknown: give f32, tf32 or bf16", e.getMessage());
  }

  private static float[] linear(Backend backend) {
    try (var matrix = random(SIZE, SIZE);
        var weight = backend.pack(matrix);
        var x = device(backend, SIZE, SIZE);
        var out = backend.allocate(DType.F32, Shape.of(SIZE, SIZE))) {
      backend.linear(x, weight, Epilogue.NONE, out);
      return host(backend, out);
    }
  }

  private static float[] attention(Backend backend) {
    try (var q = device(backend, 1, SIZE, 64);
        var k = device(backend, 1, SIZE, 64);
        var v = device(backend, 1, SIZE, 64);
        var out = backend.allocate(DType.F32, Shape.of(1, SIZE, 64))) {
      backend.attention(q, k, v, AttentionSpec.of(2, 32), out);
      return host(backend, out);
    }
  }

  private static Tensor random(int... dims) {
    var random = new SplittableRandom(14);
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    for (long i = 0; i < tensor.shape().size(); i++) {
      tensor.setFloat(i, (float) random.nextDouble(-1, 1));
    }
    return tensor;
  }

  private static Tensor device(Backend backend, int... dims) {
    try (var host = random(dims)) {
      var tensor = backend.allocate(DType.F32, host.shape());
      backend.copy(host, tensor);
      return tensor;
    }
  }

  private static float[] host(Backend backend, Tensor tensor) {
    try (var host = Tensor.allocate(DType.F32, tensor.shape())) {
      backend.copy(tensor, host);
      return host.toFloats();
    }
  }

  /** The largest difference as a share of the largest number. */
  private static double difference(float[] expected, float[] found) {
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - found[i]));
    }
    return difference / largest;
  }
}
