package dev.gatun.models.pipeline;

import dev.gatun.models.DiffusionNetwork;
import dev.gatun.models.diffusion.ConditionalDenoiser;
import dev.gatun.runtime.Checks;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Replay;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * A network as the samplers see it: all images of a batch are at the same time. Evaluations on the
 * same tensors are recorded, where the backend can, and replayed.
 */
final class NetworkDenoiser implements ConditionalDenoiser, AutoCloseable {
  /** A sampler has few tensors that it evaluates the network on. */
  private static final int MOST_RECORDED = 8;

  private final DiffusionNetwork network;
  private final Workspace workspace;
  private final Tensor times;
  private final List<Evaluation> recorded = new ArrayList<>();

  /** An evaluation on certain tensors, with its intermediates in a certain place. */
  private record Evaluation(Tensor x, Tensor condition, Tensor out, Object place, Replay replay) {
    boolean is(Tensor otherX, Tensor otherCondition, Tensor otherOut, Object otherPlace) {
      return x == otherX && condition == otherCondition && out == otherOut && place == otherPlace;
    }
  }

  /**
   * @param most the largest batch that will be evaluated, both halves of a guided one counted
   */
  NetworkDenoiser(DiffusionNetwork network, Workspace workspace, int most) {
    this.network = network;
    this.workspace = workspace;
    times = network.backend().allocate(DType.F32, Shape.of(most));
  }

  @Override
  public int outChannels() {
    return network.config().outChannels();
  }

  @Override
  public void predict(Tensor x, double t, Tensor condition, Tensor out) {
    // A record would not notice what an operator does.
    Checks.operand("predict", "x", x, network.backend().device(), DType.F32);
    Checks.operand("predict", "out", out, network.backend().device(), DType.F32);
    network.backend().fill(times, t);
    var place = workspace.place();
    for (int i = 0; i < recorded.size(); i++) {
      if (recorded.get(i).is(x, condition, out, place)) {
        recorded.get(i).replay().run();
        return;
      }
    }
    if (recorded.size() == MOST_RECORDED) {
      recorded.removeFirst().replay().close();
    }
    var replay = network.backend().replay(() -> forward(x, condition, out));
    recorded.add(new Evaluation(x, condition, out, place, replay));
    replay.run();
  }

  private void forward(Tensor x, Tensor condition, Tensor out) {
    int mark = workspace.mark();
    try {
      network.forward(x, times.columns(0, x.dim(0)), condition, workspace, out);
    } finally {
      workspace.release(mark); // also where a record was broken off
    }
  }

  @Override
  public void close() {
    recorded.forEach(evaluation -> evaluation.replay().close());
    times.close();
  }
}
