package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class BackendTest {
  @Test
  void opensByName() {
    for (var name : TestBackends.names()) {
      try (var backend = Backend.open(Device.CPU, name, 2)) {
        assertEquals(name, backend.name());
        assertEquals(Device.CPU, backend.device());
        assertTrue(backend.threads() == 1 || backend.threads() == 2, backend.description());
        assertFalse(backend.description().isBlank(), name);
      }
    }
  }

  @Test
  void closingTwiceDoesNothing() {
    for (var name : TestBackends.names()) {
      var backend = Backend.open(Device.CPU, name, 2);
      backend.close();
      backend.close();
    }
  }

  @Test
  void opensTheFastestThatWorks() {
    try (var backend = Backend.open(Device.CPU)) {
      assertEquals(TestBackends.names().getFirst(), backend.name());
    }
  }

  @Test
  void theReferenceIsTheLastResort() {
    assertEquals("reference", Backend.names(Device.Kind.CPU).getLast());
    assertEquals("", Backend.unavailable(Device.Kind.CPU, "reference"));
  }

  @Test
  void allocatesZeros() {
    for (var name : TestBackends.names()) {
      try (var backend = Backend.open(Device.CPU, name, 1);
          var tensor = backend.allocate(DType.F32, Shape.of(3, 5))) {
        assertEquals(Device.CPU, tensor.device());
        for (float value : tensor.toFloats()) {
          assertEquals(0, value);
        }
      }
    }
  }

  @Test
  void unknownName() {
    var e =
        assertThrows(
            IllegalArgumentException.class, () -> Backend.open(Device.CPU, "abacus", 1).close());
    assertEquals(
        "no backend 'abacus' for this device: there are " + Backend.names(Device.Kind.CPU),
        e.getMessage());
    assertThrows(
        IllegalArgumentException.class, () -> Backend.unavailable(Device.Kind.CPU, "abacus"));
  }

  @Test
  void negativeThreads() {
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> Backend.open(Device.CPU, "reference", -1).close());
    assertEquals("threads is -1: give a positive number, or 0 for all processors", e.getMessage());
  }

  @Test
  void aDeviceWithoutABackend() {
    var device = new Device(Device.Kind.CUDA, 1);
    var e = assertThrows(UnsupportedOperationException.class, () -> Backend.open(device).close());
    assertEquals(
        "nothing can compute on cuda:1 here; not cuda: "
            + Backend.unavailable(Device.Kind.CUDA, "cuda"),
        e.getMessage());
  }
}
