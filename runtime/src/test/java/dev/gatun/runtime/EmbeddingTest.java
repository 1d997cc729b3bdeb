package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.TestBackends.Choice;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class EmbeddingTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void rowsOfATable(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var table = tensors.random(11, 17);
      var ids = tensors.of(Shape.of(5), 10L, 0L, 3L, 3L, 7L);
      var out = tensors.outView(5, 17);
      backend.embed(tensors.view(table), ids, out);
      for (int i = 0; i < 5; i++) {
        int id = (int) ids.getLong(i);
        assertSameBits("row " + i, table.slice(id, id + 1), out.slice(i, i + 1));
      }
      tensors.assertGuards("embed");
      // Token ids of a batch: any arrangement of n ids.
      var batch = tensors.out(2, 2, 17);
      backend.embed(table, tensors.of(Shape.of(2, 2), 1L, 2L, 3L, 4L), batch);
      assertSameBits("ids of two axes", table.slice(1, 5), batch.reshape(Shape.of(4, 17)));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void idOutsideTheTable(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var table = tensors.random(11, 4);
      for (long bad : new long[] {-1, 11, 1L << 32}) {
        var out = tensors.out(2, 4);
        var ids = tensors.of(Shape.of(2), 3L, bad);
        var e = assertThrows(IndexOutOfBoundsException.class, () -> backend.embed(table, ids, out));
        assertEquals("embed: ids[1] is " + bad + ", expected 0 to 10", e.getMessage());
        assertTrue(Float.isNaN(out.getFloat(0)), "embed wrote before it looked at all ids");
      }
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void timestepsAsInTheAuthorsCode(Choice choice) {
    float[] times = {999f, 999f, 0f, -0f, 0.5f, 500.25f, -3f};
    for (int width : new int[] {1, 2, 3, 8, 33, 72}) {
      try (var backend = choice.open();
          var tensors = new TestTensors()) {
        int half = width / 2;
        var expected = tensors.out(times.length, width);
        for (int n = 0; n < times.length; n++) {
          expected.setFloat((long) n * width + width - 1, 0);
          for (int i = 0; i < half; i++) {
            float exponent = (float) -Math.log(10000) * (float) i / (float) half;
            float angle = times[n] * (float) Math.exp(exponent);
            expected.setFloat((long) n * width + i, (float) Math.cos(angle));
            expected.setFloat((long) n * width + half + i, (float) Math.sin(angle));
          }
        }
        var t = tensors.of(Shape.of(times.length), times);
        var out = tensors.outView(times.length, width);
        backend.timestepEmbedding(t, 10000, out);
        assertClose("timestepEmbedding of width " + width, expected, out, 1e-6);
        tensors.assertGuards("timestepEmbedding");
      }
    }
  }

  /** Computed in double precision from the formula; the angle of 999 in f32 is off by 3e-5. */
  @ParameterizedTest
  @MethodSource(BACKENDS)
  void timestepsOfPublishedWidths(Choice choice) {
    try (var backend = choice.open();
        var tensors = new TestTensors()) {
      var dit = tensors.out(1, 256);
      backend.timestepEmbedding(tensors.of(Shape.of(1), 999f), 10000, dit);
      golden(dit, 0, 0.999649853, 0.9637824786, -0.3989917577, 0.7048204957);
      golden(dit, 128, -0.0264607527, -0.2666895835, -0.9169545121, 0.7093856983);
      golden(dit, 255, 0.1071472377);
      var uvit = tensors.out(1, 1152);
      backend.timestepEmbedding(tensors.of(Shape.of(1), 500f), 10000, uvit);
      golden(uvit, 0, -0.8838492734, -0.3979164724, 0.8971424377);
      golden(uvit, 576, -0.4677718053, 0.9174216484, 0.4417413797);
    }
  }

  private static void golden(Tensor row, int from, double... expected) {
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], row.getFloat(from + i), 1e-4, "column " + (from + i));
    }
  }
}
