package dev.gatun.runtime.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Allocated;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.SoftwareDevice;
import dev.gatun.runtime.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

@EnabledOnOs(OS.LINUX)
class ReplayTest {
  /** Making the context current, and launching the graph. */
  private static final int CALLS = 2;

  private static final int REPEATED = 20_000;

  private SoftwareDevice software;
  private Backend backend;

  /** One that recorded work closes. */
  private Tensor spare;

  @BeforeEach
  void open() {
    software = SoftwareDevice.open();
    software.reset(1);
    backend = Backend.open(new Device(Device.Kind.CUDA, 0));
  }

  @AfterEach
  void close() {
    if (backend == null) {
      return; // skipped
    }
    backend.close();
    assertEquals("", software.report());
    assertEquals(0, software.live());
  }

  private Tensor device(float... numbers) {
    try (var host = Tensor.of(Shape.of(1, numbers.length), numbers)) {
      var tensor = backend.allocate(DType.F32, host.shape());
      backend.copy(host, tensor);
      return tensor;
    }
  }

  private float[] host(Tensor tensor) {
    try (var host = Tensor.allocate(DType.F32, tensor.shape())) {
      backend.copy(tensor, host);
      return host.toFloats();
    }
  }

  @Test
  void aRecordSeesWhatTheTensorsHold() {
    try (var x = device(1, 2, 3);
        var out = device(0, 0, 0);
        var matrix = Tensor.of(Shape.of(3, 3), 1f, 0, 0, 0, 2, 0, 0, 0, 3);
        var weight = backend.pack(matrix);
        var replay =
            (GraphReplay)
                backend.replay(
                    () -> {
                      backend.linear(x, weight, Epilogue.NONE, out);
                      backend.activate(Activation.RELU, out, out);
                    })) {
      for (int i = 0; i < 5; i++) {
        try (var next = Tensor.of(Shape.of(1, 3), (float) i, -i, 2 * i)) {
          backend.copy(next, x);
        }
        replay.run();
        assertEquals(i > 0, replay.isRecorded());
        assertArrayEquals(new float[] {i, 0, 6 * i}, host(out));
      }
    }
  }

  @Test
  void aReplayedStepTakesTwoCallsAndAllocatesNothing() {
    try (var x = device(1, 2, 3);
        var out = device(0, 0, 0);
        var replay =
            backend.replay(
                () -> {
                  backend.add(x, x, out);
                  backend.activate(Activation.SILU, out, out);
                })) {
      replay.run();
      replay.run();
      long calls = software.totalCalls();
      long launches = software.calls("cuGraphLaunch");
      long allocated = 0;
      // Compiled code needs some turns until it is there.
      for (int i = 0; i < REPEATED; i++) {
        if (i == REPEATED / 2) {
          allocated = Allocated.bytes();
        }
        replay.run();
      }
      assertEquals(0, Allocated.bytes() - allocated);
      assertEquals(REPEATED, software.calls("cuGraphLaunch") - launches);
      assertEquals((long) CALLS * REPEATED, software.totalCalls() - calls);
    }
  }

  @Test
  void whatNeedsTheHostIsRunAsItIs() {
    try (var x = device(1, 2, 3);
        var out = device(0, 0, 0);
        var numbers = Tensor.of(Shape.of(1, 3), 5f, 6, 7);
        var replay =
            (GraphReplay)
                backend.replay(
                    () -> {
                      backend.copy(numbers, x);
                      backend.add(x, x, out);
                    })) {
      for (int i = 0; i < 4; i++) {
        numbers.setFloat(0, i);
        replay.run();
        assertArrayEquals(new float[] {2 * i, 12, 14}, host(out));
      }
      assertFalse(replay.isRecorded());
    }
  }

  @Test
  void aRecordOutlivesItsBackend() {
    var x = device(1, 2, 3);
    var replay = backend.replay(() -> backend.add(x, x, x));
    replay.run();
    replay.run();
    backend.close();
    assertTrue(software.live() > 0);
    replay.close();
    x.close();
  }

  /** What is freed while work is recorded would be freed at every replay. */
  @Test
  void memoryThatIsFreedMeanwhileIsNoPartOfTheRecord() {
    try (var x = device(1, 2, 3);
        var replay =
            (GraphReplay)
                backend.replay(
                    () -> {
                      backend.add(x, x, x);
                      spare.close();
                    })) {
      for (int i = 0; i < 4; i++) {
        spare = device(4, 5, 6);
        replay.run();
        spare.close();
      }
      assertTrue(replay.isRecorded());
      assertArrayEquals(new float[] {16, 32, 48}, host(x));
    }
  }

  /** Work that fails while it is recorded is run as it is from then on. */
  @Test
  void aStreamSurvivesAnError() {
    int[] runs = {0};
    try (var x = device(1, 2, 3);
        var replay =
            backend.replay(
                () -> {
                  backend.add(x, x, x);
                  if (runs[0]++ == 1) {
                    throw new AssertionError("in the middle");
                  }
                })) {
      replay.run();
      assertThrows(AssertionError.class, replay::run);
      replay.run();
      assertArrayEquals(new float[] {4, 8, 12}, host(x));
    }
  }

  /** As at the end of a denoising loop whose shapes were seen once. */
  @Test
  void aRecordThatWasRunOnceNeedsNoGraph() {
    try (var x = device(1, 2, 3);
        var replay = backend.replay(() -> backend.add(x, x, x))) {
      replay.run();
      assertEquals(0, software.calls("cuStreamBeginCapture_v2"));
    }
  }
}
