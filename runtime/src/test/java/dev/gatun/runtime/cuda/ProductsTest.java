package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Precision;
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
class ProductsTest {
  private static final int SIZE = 96;
  private static final Device GPU = new Device(Device.Kind.CUDA, 0);

  private SoftwareDevice software;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(1);
  }

  @AfterEach
  void forget() {
    System.clearProperty(Products.PROPERTY);
  }

  @ParameterizedTest
  @CsvSource({"f32, 0, 2e-6", "tf32, 5e-5, 2e-3", "bf16, 5e-4, 2e-2"})
  void linearRounds(String products, double least, double most) {
    System.setProperty(Products.PROPERTY, products);
    try (var cpu = Backend.open(Device.CPU, "reference", 1);
        var cuda = Backend.open(GPU)) {
      double error = difference(linear(cpu), linear(cuda));
      assertTrue(least <= error && error <= most, products + " is off by " + error);
      assertTrue(cuda.description().contains("products in " + products), cuda.description());
    }
  }

  @ParameterizedTest
  @CsvSource({"F32, 0, 2e-6", "BF16, 5e-4, 2e-2"})
  void withoutThePropertyThePrecisionDecides(Precision precision, double least, double most) {
    assertEquals("", Backend.unavailable(GPU, null, precision));
    try (var cpu = Backend.open(Device.CPU, "reference", 1);
        var cuda = Backend.open(GPU, precision, 0)) {
      assertEquals(precision, cuda.precision());
      double error = difference(linear(cpu), linear(cuda));
      assertTrue(least <= error && error <= most, precision + " is off by " + error);
      assertTrue(cuda.description().contains("products in " + precision), cuda.description());
    }
  }

  /** What rounds less is called f32. */
  @ParameterizedTest
  @CsvSource({"f32, F32", "tf32, F32", "bf16, BF16"})
  void thePropertyGoesBeforeThePrecision(String products, Precision found) {
    System.setProperty(Products.PROPERTY, products);
    for (var asked : Precision.values()) {
      try (var cuda = Backend.open(GPU, asked, 0)) {
        assertEquals(found, cuda.precision());
        assertTrue(cuda.description().contains("products in " + products), cuda.description());
      }
    }
    assertEquals(
        found == Precision.BF16
            ? ""
            : "-Dgatun.cuda.math=" + products + " says otherwise: leave that option out",
        Backend.unavailable(GPU, "cuda", Precision.BF16));
  }

  @Test
  void anOlderGpuComputesInF32() {
    software.capability(75);
    assertEquals("", Backend.unavailable(GPU, null, Precision.F32));
    var reason = Backend.unavailable(GPU, null, Precision.BF16);
    assertTrue(reason.startsWith("the GPU Software device 0 (compute capability 7.5"), reason);
    assertTrue(reason.endsWith(" multiplies no bf16: compute in f32"), reason);
    try (var cuda = Backend.open(GPU, Precision.BF16, 0)) {
      assertEquals(Precision.F32, cuda.precision());
    }
  }

  /** cuDNN's attention is taken where it may round, our own where not. */
  @ParameterizedTest
  @CsvSource({"f32, false", "tf32, false", "bf16, true"})
  void attentionRunsWhereItMay(String products, boolean fused) {
    System.setProperty(Products.PROPERTY, products);
    try (var cpu = Backend.open(Device.CPU, "reference", 1);
        var cuda = Backend.open(GPU)) {
      int before = software.calls("cudnnBackendExecute");
      double error = difference(attention(cpu), attention(cuda));
      assertEquals(fused, software.calls("cudnnBackendExecute") > before);
      assertTrue(error <= 2e-2, products + " is off by " + error);
    }
    assertEquals("", software.report());
    assertEquals(0, software.live());
  }

  @Test
  void anotherNameIsRefused() {
    System.setProperty(Products.PROPERTY, "f16");
    var e = assertThrows(IllegalArgumentException.class, () -> Backend.open(GPU).close());
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
