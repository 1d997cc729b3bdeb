package dev.gatun.benchmarks;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

/**
 * Self-attention on packed qkv: 4·N·L²·C floating-point operations (two products; the softmax is
 * not counted).
 */
public class AttentionBenchmark extends OperatorBenchmark {
  /** Batch x tokens x heads x head size. */
  @Param({"2x256x6x64", "2x256x12x64", "2x256x16x72", "1x1024x16x72", "1x4096x16x72"})
  public String shape;

  private int batch;
  private int tokens;
  private int channels;
  private AttentionSpec spec;
  private Tensor qkv; // [N, L, 3C]
  private Tensor out; // [N, L, C]
  private double gflop;

  @Override
  protected void operands() {
    int[] extents = extents(shape);
    batch = extents[0];
    tokens = extents[1];
    channels = extents[2] * extents[3];
    spec = AttentionSpec.of(extents[2], extents[3]);
    qkv = random(batch, tokens, 3 * channels);
    out = zeros(batch, tokens, channels);
    gflop = 4e-9 * batch * tokens * tokens * channels;
  }

  private Tensor part(Tensor packed, int index) {
    return packed.columns(index * channels, (index + 1) * channels);
  }

  /** One call. */
  @Benchmark
  public void attention(Arithmetic work) {
    measured.attention(part(qkv, 0), part(qkv, 1), part(qkv, 2), spec, out);
    work.count(gflop, peak);
  }

  @Override
  protected void check() {
    var expected = zeros(1, 1, channels);
    for (int query : new int[] {0, tokens / 2, tokens - 1}) {
      // One query of the last sample against all of that sample's keys.
      var sample = qkv.slice(batch - 1, batch);
      var matrix = sample.reshape(Shape.of(tokens, 3 * channels));
      var q = part(row(matrix, query), 0).reshape(expected.shape());
      oracle.attention(q, part(sample, 1), part(sample, 2), spec, expected);
      var rows = out.reshape(Shape.of(batch * tokens, channels));
      requireClose(expected, row(rows, (batch - 1) * tokens + query), 1e-5);
    }
  }
}
