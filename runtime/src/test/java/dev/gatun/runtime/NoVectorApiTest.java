package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * What happens in a JVM that was started without the Vector API. It has a surefire execution of its
 * own ({@code no-vector-api}), whose JVM runs nothing else, so the log lines that it finds are all
 * that there are.
 */
class NoVectorApiTest {
  private static final String CURE = "--add-modules jdk.incubator.vector";
  private static final ByteArrayOutputStream LOG = new ByteArrayOutputStream();

  /** Before anything is logged, since a logger keeps the stream that it finds first. */
  @BeforeAll
  static void captureTheLog() {
    assertTrue(
        ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty(),
        "this test is for a JVM without " + CURE);
    System.setErr(new PrintStream(LOG, true, StandardCharsets.UTF_8));
  }

  @Test
  void theReferenceComputesAndOneLineSaysWhy() {
    for (int i = 0; i < 3; i++) {
      try (var backend = Backend.open(Device.CPU)) {
        assertEquals("reference", backend.name());
      }
    }
    List<String> said = LOG.toString(StandardCharsets.UTF_8).lines().toList();
    var lines = said.stream().filter(line -> line.contains("computing with")).toList();
    assertEquals(1, lines.size(), () -> "log: " + said);
    assertTrue(lines.getFirst().contains("computing with the reference backend"), lines.getFirst());
    assertTrue(lines.getFirst().contains("not with cpu"), lines.getFirst());
    assertTrue(lines.getFirst().contains(CURE), lines.getFirst());
  }

  @Test
  void theCpuBackendSaysWhatIsMissing() {
    assertEquals(List.of("cpu", "reference"), Backend.names(Device.Kind.CPU));
    var reason = Backend.unavailable(Device.Kind.CPU, "cpu");
    assertTrue(reason.contains(CURE), reason);
    var thrown =
        assertThrows(UnsupportedOperationException.class, () -> Backend.open(Device.CPU, "cpu", 1));
    assertTrue(thrown.getMessage().contains(CURE), thrown.getMessage());
  }

  @Test
  void theReferenceComputesInF32WhateverIsAskedFor() {
    try (var backend = Backend.open(Device.CPU, Precision.BF16, 1)) {
      assertEquals("reference", backend.name());
      assertEquals(Precision.F32, backend.precision());
    }
    var said = LOG.toString(StandardCharsets.UTF_8);
    assertTrue(
        said.contains("computing in f32; not in bf16: the reference backend computes in f32 alone"),
        said);
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.BF16);
    assertTrue(reason.contains(CURE), reason);
  }

  @Test
  void theFallbackComputes() {
    try (var backend = Backend.open(Device.CPU);
        var tensors = new TestTensors();
        var weight = backend.pack(tensors.of(Shape.of(2, 3), 1f, 2f, 3f, 4f, 5f, 6f))) {
      var out = tensors.out(1, 2);
      var bias = Epilogue.bias(tensors.of(Shape.of(2), 0.5f, -0.5f));
      backend.linear(tensors.of(Shape.of(1, 3), 1f, 0f, -2f), weight, bias, out);
      assertSameBits("linear", tensors.of(Shape.of(1, 2), -4.5f, -8.5f), out);
    }
  }
}
