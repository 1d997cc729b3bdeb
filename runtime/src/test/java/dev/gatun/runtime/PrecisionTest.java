package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

/** In what a backend computes, and in what instead where it cannot. */
class PrecisionTest {
  @Test
  void f32IsTheDefaultAndAlwaysThere() {
    for (var name : TestBackends.hostNames()) {
      assertEquals("", Backend.unavailable(Device.CPU, name, Precision.F32));
      try (var backend = Backend.open(Device.CPU, name, 1);
          var same = Backend.open(Device.CPU, name, Precision.F32, 1)) {
        assertEquals(Precision.F32, backend.precision());
        assertEquals(Precision.F32, same.precision());
        assertEquals(backend.description(), same.description());
      }
    }
    assertEquals("", Backend.unavailable(Device.CPU, null, Precision.F32));
  }

  @Test
  void whoAsksForAnotherGetsItWhereItIsThereAndElseF32() {
    for (var asked : Precision.values()) {
      var reason = Backend.unavailable(Device.CPU, null, asked);
      try (var backend = Backend.open(Device.CPU, asked, 1);
          var named = Backend.open(Device.CPU, "cpu", asked, 1)) {
        assertEquals("cpu", backend.name());
        assertEquals(reason.isEmpty() ? asked : Precision.F32, backend.precision(), reason);
        assertEquals(backend.precision(), named.precision());
        assertEquals(1, backend.threads());
      }
    }
  }

  @Test
  void theReferenceNeverDoes() {
    var alone = "the reference backend computes in f32 alone";
    assertEquals(alone, Backend.unavailable(Device.CPU, "reference", Precision.BF16));
    var e =
        assertThrows(
            IllegalArgumentException.class,
            () -> Backend.open(Device.CPU, "reference", Precision.BF16, 1).close());
    assertEquals(alone + ": leave that name out, or bf16", e.getMessage());
  }

  @Test
  void aDeviceWithoutABackendHasNoPrecision() {
    var device = new Device(Device.Kind.CUDA, 1);
    assertEquals(
        "nothing can compute on cuda:1 here", Backend.unavailable(device, null, Precision.BF16));
    assertThrows(
        UnsupportedOperationException.class, () -> Backend.open(device, Precision.BF16, 1).close());
  }
}
