package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.DeviceException;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.SoftwareDevice;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Misuse of tensors on a GPU is an exception, not the end of the JVM. */
@EnabledOnOs(OS.LINUX)
class DeviceTensorTest {
  private SoftwareDevice software;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(2);
  }

  @AfterEach
  void clean() {
    if (software == null) {
      return; // skipped
    }
    assertEquals("", software.report());
    assertEquals(0, software.live());
    assertEquals(0, software.contexts());
  }

  private static Backend open(int index) {
    return Backend.open(new Device(Device.Kind.CUDA, index));
  }

  @Test
  void itsElementsAreNotSeenFromHere() {
    try (var backend = open(0);
        var tensor = backend.allocate(DType.F32, Shape.of(2, 3));
        var ids = backend.allocate(DType.I64, Shape.of(2))) {
      var e = assertThrows(IllegalStateException.class, () -> tensor.getFloat(0));
      assertEquals(
          "tensor F32 [2, 3] on cuda:0 is not in host memory: copy it to a host tensor first",
          e.getMessage());
      assertThrows(IllegalStateException.class, tensor::segment);
      assertThrows(IllegalStateException.class, tensor::toFloats);
      assertThrows(IllegalStateException.class, () -> tensor.setFloat(0, 1));
      assertThrows(IllegalStateException.class, () -> tensor.columns(1, 2).getDouble(0));
      assertThrows(IllegalStateException.class, () -> ids.getLong(0));
      assertThrows(IllegalStateException.class, () -> ids.setLong(0, 1));
      assertThrows(IllegalStateException.class, () -> tensor.setFloats(1, 2, 3, 4, 5, 6));
    }
  }

  @Test
  void oneOfAnotherDeviceIsRefused() {
    try (var zero = open(0);
        var one = open(1);
        var tensor = one.allocate(DType.F32, Shape.of(2, 3));
        var host = Tensor.allocate(DType.F32, Shape.of(2, 3))) {
      var e =
          assertThrows(
              IllegalArgumentException.class, () -> zero.activate(Activation.SILU, tensor, tensor));
      assertEquals("activate: x is on cuda:1, expected on cuda:0", e.getMessage());
      assertThrows(
          IllegalArgumentException.class, () -> zero.activate(Activation.SILU, host, host));
      assertThrows(IllegalArgumentException.class, () -> zero.copy(tensor, host));
    }
  }

  @Test
  void bothDevicesWorkInTurn() {
    try (var zero = open(0);
        var one = open(1);
        var a = zero.allocate(DType.F32, Shape.of(1, 2));
        var b = one.allocate(DType.F32, Shape.of(1, 2));
        var host = Tensor.allocate(DType.F32, Shape.of(1, 2))) {
      zero.fill(a, 3);
      one.fill(b, 4);
      zero.add(a, a, a);
      one.add(b, b, b);
      zero.copy(a, host);
      assertEquals(6, host.getFloat(1));
      one.copy(b, host);
      assertEquals(8, host.getFloat(1));
    }
  }

  @Test
  void itMayOutliveItsBackend() {
    var backend = open(0);
    var tensor = backend.allocate(DType.F32, Shape.of(1000));
    backend.close();
    backend.close();
    assertTrue(tensor.isAlive());
    assertEquals(1, software.contexts());
    var e = assertThrows(IllegalStateException.class, () -> backend.fill(tensor, 1));
    assertEquals("the cuda backend is closed", e.getMessage());
    tensor.close();
    tensor.close();
  }

  @Test
  void onesThatAreClosedAreRefused() {
    try (var backend = open(0);
        var matrix = Tensor.allocate(DType.F32, Shape.of(2, 3))) {
      var tensor = backend.allocate(DType.F32, Shape.of(2, 3));
      tensor.close();
      assertThrows(IllegalStateException.class, () -> backend.fill(tensor, 1));
      var weight = backend.pack(matrix);
      weight.close();
      try (var x = backend.allocate(DType.F32, Shape.of(1, 3));
          var out = backend.allocate(DType.F32, Shape.of(1, 2))) {
        var e =
            assertThrows(
                IllegalStateException.class, () -> backend.linear(x, weight, Epilogue.NONE, out));
        assertEquals("linear: weight [2, 3] is closed", e.getMessage());
      }
    }
  }

  @Test
  void moreThanThereIsIsOneSentence() {
    try (var backend = open(0)) {
      var e =
          assertThrows(
              DeviceException.class, () -> backend.allocate(DType.F32, Shape.of(1 << 20, 1 << 10)));
      assertTrue(e.getMessage().startsWith("cuMemAllocAsync of 4.295 GB with 2.1"), e.getMessage());
      assertTrue(
          e.getMessage().endsWith("take a smaller batch, or end other programs on this GPU"),
          e.getMessage());
    }
  }

  @Test
  void anotherThreadMayGoOn() throws InterruptedException {
    try (var backend = open(0);
        var tensor = backend.allocate(DType.F32, Shape.of(1, 2));
        var host = Tensor.allocate(DType.F32, Shape.of(1, 2))) {
      for (var builder : new Thread.Builder[] {Thread.ofPlatform(), Thread.ofVirtual()}) {
        var thread =
            builder.start(
                () -> {
                  backend.fill(tensor, 7);
                  backend.copy(tensor, host);
                });
        thread.join();
        assertEquals(7, host.getFloat(1));
        host.setFloat(1, 0);
      }
    }
  }
}
