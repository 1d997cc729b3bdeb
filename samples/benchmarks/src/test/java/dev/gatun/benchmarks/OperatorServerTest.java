package dev.gatun.benchmarks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class OperatorServerTest {
  /** Answers to commands. */
  private static List<String> serve(String... commands) throws IOException {
    var bytes = new ByteArrayOutputStream();
    try (var server = new OperatorServer(Precision.F32, 1);
        var out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      server.serve(new BufferedReader(new StringReader(String.join("\n", commands))), out);
    }
    return bytes.toString(StandardCharsets.UTF_8).lines().toList();
  }

  private static double[] numbers(String line) {
    return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
  }

  /** The operand that a program makes as the n-th one. */
  private static float[] operand(int n, int size) {
    try (var tensor = Tensor.allocate(DType.F32, Shape.of(size))) {
      HashedNumbers.fill(tensor, n * 7919, 1, 0);
      return tensor.toFloats();
    }
  }

  @Test
  void linearShowsWhatTheFormulaGives() throws IOException {
    int rows = 9;
    int in = 20;
    int out = 11;
    float[] x = operand(1, rows * in);
    float[] w = operand(2, out * in);
    float[] bias = operand(3, out);
    double[] shown = numbers(serve("linear 9 20 11").getFirst());
    assertEquals(64, shown.length);
    for (int i = 0; i < shown.length; i++) {
      int element = (rows * out * i / shown.length + i) % (rows * out);
      double sum = bias[element % out];
      for (int k = 0; k < in; k++) {
        sum += (double) x[element / out * in + k] * w[element % out * in + k];
      }
      assertEquals(sum, shown[i], 1e-5, "element " + element);
    }
  }

  @Test
  void everyCommandIsAnswered() throws IOException {
    var answers =
        serve(
            "attention 10 2 8",
            "time 0.01",
            "conv2d 6 5 7",
            "time 0.01",
            "network DiT-S/2 1",
            "time 0.01");
    assertEquals(6, answers.size());
    for (int i = 0; i < answers.size(); i += 2) {
      double[] shown = numbers(answers.get(i));
      assertTrue(Arrays.stream(shown).allMatch(Double::isFinite), answers.get(i));
      assertTrue(Arrays.stream(shown).distinct().count() > 32, answers.get(i));
      assertTrue(Double.parseDouble(answers.get(i + 1)) > 0, answers.get(i + 1));
    }
  }

  @Test
  void anUnknownOperatorIsNamed() {
    var thrown = assertThrows(IOException.class, () -> serve("pool 1"));
    assertEquals("no operator pool", thrown.getMessage());
  }
}
