package dev.gatun.runtime.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.reference.HostMovement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WindowRowsTest {
  private static final int OUT = 203;
  private static final int IN = 7;
  private static final int TAPS = 6;

  /** Many threads, many times: what they share must not be what they change. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void everyTypeByManyThreads(DType type) {
    try (var team = new ThreadTeam(4);
        var numbers = Tensor.allocate(DType.F32, Shape.of(OUT, IN, 3, 2));
        var kernel = Tensor.allocate(type, numbers.shape())) {
      for (int i = 0; i < numbers.shape().size(); i++) {
        numbers.setFloat(i, i % 251); // exact in eight bits
      }
      HostMovement.copy(numbers, kernel);
      for (int run = 0; run < 50; run++) {
        try (var rows = WindowRows.of(kernel, team);
            var alone = HostMovement.windowRows(kernel)) {
          assertEquals(Shape.of(OUT, IN * TAPS), rows.shape());
          float[] found = rows.toFloats();
          assertArrayEquals(alone.toFloats(), found);
          for (int o = 0; o < OUT; o++) {
            for (int c = 0; c < IN; c++) {
              for (int tap = 0; tap < TAPS; tap++) {
                int from = (o * IN + c) * TAPS + tap;
                assertEquals(from % 251, found[(o * TAPS + tap) * IN + c], "element " + from);
              }
            }
          }
        }
      }
    }
  }

  @Test
  void noOutputsAndNoChannels() {
    try (var team = new ThreadTeam(2);
        var outs = Tensor.allocate(DType.F32, Shape.of(0, 3, 3, 3));
        var ins = Tensor.allocate(DType.BF16, Shape.of(4, 0, 3, 3));
        var none = WindowRows.of(outs, team);
        var empty = WindowRows.of(ins, team)) {
      assertEquals(Shape.of(0, 27), none.shape());
      assertEquals(Shape.of(4, 0), empty.shape());
    }
  }
}
