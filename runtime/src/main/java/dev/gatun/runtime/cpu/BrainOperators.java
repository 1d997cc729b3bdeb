package dev.gatun.runtime.cpu;

import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Tensor;

/** The operators in bf16 on matrix tiles. */
final class BrainOperators implements AutoCloseable {
  private final BrainScratch[] scratch;
  private final BrainGemm gemm;

  BrainOperators(ThreadTeam team) {
    scratch = new BrainScratch[team.size()];
    for (int i = 0; i < scratch.length; i++) {
      scratch[i] = new BrainScratch();
    }
    gemm = new BrainGemm(team, scratch);
  }

  void linear(Tensor x, BrainWeight w, Epilogue e, Tensor gate, Tensor residual, Tensor out) {
    gemm.linear(x, w, e, gate, residual, out);
  }

  void gradient(Tensor dy, BrainWeight w, Tensor dx) {
    gemm.gradient(dy, w, dx);
  }

  @Override
  public void close() {
    gemm.close();
    for (var buffers : scratch) {
      buffers.close();
    }
  }
}
