package dev.gatun.runtime.cpu;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/** The operators in bf16 on matrix tiles. */
final class BrainOperators implements AutoCloseable {
  private final BrainScratch[] scratch;
  private final BrainGemm gemm;
  private final BrainAttention attention;

  BrainOperators(ThreadTeam team) {
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
    gemm = new BrainGemm(team, scratch);
    attention = new BrainAttention(team, scratch);
  }

  void linear(Tensor x, BrainWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    gemm.linear(x, w, e, gate, residual, out);
  }

  void gradient(Tensor dy, BrainWeight w, Tensor dx) {
    gemm.gradient(dy, w, dx);
  }

  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    attention.attention(q, k, v, spec, out);
  }

  @Override
  public void close() {
    gemm.close();
    for (var buffers : scratch) {
      buffers.close();
    }
  }
}
