package dev.gatun.models.vae;

import dev.gatun.models.layers.Conv2d;
import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * What encoder and decoder have in common: keys {@code conv_in}, the stages that each lists for
 * itself, {@code norm_out} and {@code conv_out}.
 */
abstract sealed class Coder permits Encoder, Decoder {
  /** Added to the variance in every group normalisation. */
  static final float EPS = 1e-6f;

  private final int width;
  private final Conv2d convIn;
  private final List<Stage> stages = new ArrayList<>();
  private final GroupNorm normOut;
  private final Conv2d convOut;
  private final FeatureMaps maps = new FeatureMaps();

  /**
   * @param in channels of the operand
   * @param first channels of the first feature map
   * @param last channels of the last feature map
   * @param out channels of the result
   */
  Coder(Weights weights, String prefix, int in, int first, int last, int out, int groups) {
    width = first;
    convIn = new Conv2d(weights, prefix + ".conv_in", in, first, 3);
    normOut = new GroupNorm(weights, prefix + ".norm_out", last, groups, EPS);
    convOut = new Conv2d(weights, prefix + ".conv_out", last, out, 3);
  }

  /** Appends a stage; in the order in which they run. */
  final void add(Stage stage) {
    stages.add(stage);
  }

  /** Appends what stands between the resolutions: block, attention, block. */
  final void addMiddle(Weights weights, String prefix, int c, int groups) {
    add(new ResnetBlock(weights, prefix + ".mid.block_1", c, c, groups));
    add(new AttnBlock(weights, prefix + ".mid.attn_1", c, groups));
    add(new ResnetBlock(weights, prefix + ".mid.block_2", c, c, groups));
  }

  /**
   * One sample: {@code [1, H, W, in] → [1, H', W', out]}. The feature maps come last on the
   * workspace, because a workspace grows by a quarter at least: so none of it lies idle.
   */
  final void forward(Tensor x, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    maps.take(workspace, floats(x.dim(1), x.dim(2)));
    convIn.forward(x, maps.first(x.dim(1), x.dim(2), width)); // (1, H, W, first)
    for (int i = 0; i < stages.size(); i++) {
      stages.get(i).forward(maps);
    }
    var h = maps.x(); // (1, H', W', last)
    normOut.forward(h, Activation.SILU, h);
    convOut.forward(h, out); // (1, H', W', out)
    workspace.release(mark);
  }

  /** How many floats the feature maps need at once for an operand of that size. */
  private long floats(int height, int width) {
    long most = 0;
    for (var stage : stages) {
      most = Math.max(most, Math.multiplyExact((long) height * width, stage.floatsPerPixel()));
      height = stage.extent(height);
      width = stage.extent(width);
    }
    return most;
  }
}
