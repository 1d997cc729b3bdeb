package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The oracle itself, against tables, closed forms and hand-computed values. */
class ReferenceOracleTest {
  private final Backend reference = TestBackends.reference();
  private final TestTensors tensors = new TestTensors();

  @AfterEach
  void close() {
    tensors.close();
    reference.close();
  }

  private Tensor row(float... values) {
    return tensors.of(Shape.of(1, values.length), values);
  }

  @Test
  void linearByHand() {
    var x = tensors.of(Shape.of(2, 3), 1f, 2f, 3f, -1f, 0f, 0.5f);
    try (var weight = reference.pack(tensors.of(Shape.of(2, 3), 1f, 0f, -1f, 2f, 3f, 4f))) {
      var out = tensors.out(2, 2);
      reference.linear(x, weight, Epilogue.NONE, out);
      assertClose("x·Wᵀ", tensors.of(Shape.of(2, 2), -2f, 20f, -1.5f, 0f), out, 0);
      var gate = tensors.of(Shape.of(2, 2), 2f, 3f, 10f, 20f);
      var residual = row(100f, 200f);
      reference.linear(
          x, weight, Epilogue.bias(tensors.of(Shape.of(2), 1f, -1f)), gate, residual, out);
      assertClose("with gate", tensors.of(Shape.of(2, 2), 98f, 257f, 95f, 180f), out, 0);
    }
  }

  /**
   * A gate row serves a whole sample; residual rows, like positions, come again in every sample.
   */
  @Test
  void gatesBySampleAndResidualsCyclically() {
    var x = tensors.of(Shape.of(2, 2, 1), 1f, 1f, 1f, 1f);
    var gate = tensors.of(Shape.of(2, 1), 10f, 20f);
    var residual = tensors.of(Shape.of(2, 1), 1f, 2f);
    try (var weight = reference.pack(row(1))) {
      var out = tensors.out(2, 2, 1);
      reference.linear(x, weight, Epilogue.NONE, gate, residual, out);
      assertClose("linear", tensors.of(Shape.of(2, 2, 1), 11f, 12f, 21f, 22f), out, 0);
    }
    var out = tensors.out(2, 2, 1);
    reference.layerNorm(x, null, null, gate, gate, 1, out);
    assertClose("layerNorm", tensors.of(Shape.of(2, 2, 1), 10f, 10f, 20f, 20f), out, 0);
    reference.add(x, residual, out);
    assertClose("add", tensors.of(Shape.of(2, 2, 1), 2f, 3f, 2f, 3f), out, 0);
  }

  @Test
  void linearSumsInDouble() {
    // 2²⁴ + 1 is no float: a sum in f32 would lose every one of the ones.
    var x = tensors.random(1, 1001);
    for (int i = 0; i < 1001; i++) {
      x.setFloat(i, i == 0 ? 0x1p24f : 1);
    }
    var ones = tensors.random(1, 1001);
    for (int i = 0; i < 1001; i++) {
      ones.setFloat(i, 1);
    }
    try (var weight = reference.pack(ones)) {
      var out = tensors.out(1, 1);
      reference.linear(x, weight, Epilogue.NONE, out);
      assertEquals(0x1p24f + 1000f, out.getFloat(0));
    }
  }

  @Test
  void equalScoresGiveTheMean() {
    var q = tensors.random(1, 2, 4);
    var k = tensors.out(1, 3, 4);
    k.setFloats(1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4);
    var v = tensors.of(Shape.of(1, 3, 4), 1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f, 10f, 11f, 15f);
    var out = tensors.out(1, 2, 4);
    reference.attention(q, k, v, AttentionSpec.of(2, 2), out);
    assertClose(
        "mean of v", tensors.of(Shape.of(1, 2, 4), 5f, 6f, 7f, 9f, 5f, 6f, 7f, 9f), out, 1e-7);
    // Query i of a causal attention sees the first i + 1 keys only.
    reference.attention(q, k, v, new AttentionSpec(2, 1, true), out);
    assertClose(
        "mean of those seen",
        tensors.of(Shape.of(1, 2, 4), 1f, 2f, 3f, 4f, 3f, 4f, 5f, 6f),
        out,
        1e-7);
  }

  @Test
  void attentionByHand() {
    // Scores ln 1 and ln 3 after the scale: weights ¼ and ¾.
    var q = tensors.of(Shape.of(1, 1, 1), 2f);
    var k = tensors.of(Shape.of(1, 2, 1), 0f, (float) Math.log(3));
    var v = tensors.of(Shape.of(1, 2, 1), 4f, 8f);
    var out = tensors.out(1, 1, 1);
    reference.attention(q, k, v, new AttentionSpec(1, 0.5f, false), out);
    assertEquals(7, out.getFloat(0), 1e-6);
  }

  @Test
  void headsDoNotMix() {
    // Two heads of one channel with opposite preferences.
    var q = tensors.of(Shape.of(1, 1, 2), 100f, -100f);
    var k = tensors.of(Shape.of(1, 2, 2), 1f, 1f, 0f, 0f);
    var v = tensors.of(Shape.of(1, 2, 2), 1f, 2f, 3f, 4f);
    var out = tensors.out(1, 1, 2);
    reference.attention(q, k, v, new AttentionSpec(2, 1, false), out);
    assertClose("one head each", tensors.of(Shape.of(1, 1, 2), 1f, 4f), out, 1e-7);
  }

  @Test
  void layerNormByHand() {
    var x = row(1, 3, 5, 7);
    var out = tensors.out(1, 4);
    // Mean 4, biased variance 5.
    reference.layerNorm(x, null, null, null, null, 4, out);
    assertClose("eps 4", row(-1, -1 / 3f, 1 / 3f, 1), out, 1e-7);
    var two = tensors.of(Shape.of(4), 2f, 2f, 2f, 2f);
    var beta = tensors.of(Shape.of(4), 1f, 1f, 1f, 4f);
    reference.layerNorm(x, two, beta, null, null, 4, out);
    assertClose("affine", row(-1, 1 / 3f, 5 / 3f, 6), out, 1e-7);
    reference.layerNorm(x, two, beta, row(10, 10, 10, 10), row(1, 1, 1, -1), 4, out);
    assertClose("modulated", row(8, 32 / 3f, 40 / 3f, 10), out, 1e-7);
  }

  /** Variance 1e-5: DiT's 1e-6 and the 1e-5 of PyTorch's default differ by 35 %. */
  @Test
  void layerNormAddsEpsToTheVariance() {
    float d = (float) Math.sqrt(1e-5);
    var x = row(d, -d, d, -d);
    var out = tensors.out(1, 4);
    for (double eps : new double[] {1e-5, 1e-6, 0}) {
      reference.layerNorm(x, null, null, null, null, (float) eps, out);
      assertEquals(Math.sqrt(1e-5 / (1e-5 + eps)), out.getFloat(0), 1e-6, "eps " + eps);
    }
  }

  /** Abramowitz and Stegun, table 7.1, and 1 - erf(3.5) from table 7.3. */
  @Test
  void erfOfTheTables() {
    double[][] table = {
      {0.1, 0.1124629160}, {0.5, 0.5204998778}, {1.0, 0.8427007929},
      {1.5, 0.9661051465}, {2.0, 0.9953222650}, {3.5, 0.999999256902}
    };
    for (double[] entry : table) {
      for (int sign = -1; sign <= 1; sign += 2) {
        float x = (float) (sign * entry[0] * Math.sqrt(2));
        var out = row(x);
        reference.activate(Activation.GELU_ERF, out, out);
        assertEquals(0.5 * x * (1 + sign * entry[1]), out.getFloat(0), 3e-7, "GELU_ERF(" + x + ")");
      }
    }
  }

  /** Values of torch.nn.functional at 1 and -1. */
  @Test
  void activationsOfOne() {
    double[][] expected = {
      {1, -1},
      {0.7310585786, -0.2689414214},
      {0.8411919906, -0.1588080094},
      {0.8413447461, -0.1586552539},
      {0.8457957660, -0.1542042340},
      {1, 0}
    };
    for (var activation : Activation.values()) {
      var out = row(1, -1);
      reference.activate(activation, out, out);
      for (int i = 0; i < 2; i++) {
        assertEquals(expected[activation.ordinal()][i], out.getFloat(i), 1e-7, activation.name());
      }
    }
  }

  @Test
  void activationsFarOut() {
    for (var activation : Activation.values()) {
      if (activation != Activation.IDENTITY) {
        var out = row(1000, -1000, 0);
        reference.activate(activation, out, out);
        assertEquals(1000, out.getFloat(0), activation.name());
        assertEquals(0, out.getFloat(1), 0, activation.name());
        assertEquals(0, out.getFloat(2), activation.name());
      }
    }
  }
}
