package dev.gatun.models.diffit;

import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.AttentionSpec.Windows;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Time-dependent multi-head self-attention, section 3.1 of the paper: {@code q = x·W_qs + c·W_qt},
 * k and v alike, {@code softmax(q·kᵀ/√d + B)·v} with a relative position bias B, in windows. Keys
 * {@code qkv}, {@code qkv_temb}, {@code relative_position_bias_table} and {@code proj}.
 */
final class Tmsa {
  private final Backend backend;
  private final int width;
  private final AttentionSpec spec;
  private final Linear qkv;
  private final Linear qkvTime;
  private final Linear proj;

  /**
   * @param conditionWidth width of c
   * @param trainedSide of the windows in training; the bias is interpolated for another side
   */
  Tmsa(
      Weights weights,
      String prefix,
      int width,
      int conditionWidth,
      int heads,
      Windows windows,
      int trainedSide) {
    backend = weights.backend();
    this.width = width;
    var key = prefix + ".relative_position_bias_table";
    var bias = RelativeBias.load(weights, key, heads, trainedSide, windows.side());
    spec = AttentionSpec.of(heads, width / heads).inWindows(windows, bias);
    qkvTime = new Linear(weights, prefix + ".qkv_temb", conditionWidth, 3 * width);
    qkv = new Linear(weights, prefix + ".qkv", width, 3 * width);
    proj = new Linear(weights, prefix + ".proj", width, width);
  }

  /**
   * {@code x += TMSA(u, c)}.
   *
   * @param u {@code [N, T, D]}, {@linkplain Workspace#takeFactor a factor}; overwritten
   * @param x {@code [N, T, D]}
   */
  void forward(Tensor u, Tensor c, Tensor x, Workspace workspace) {
    int mark = workspace.mark();
    var time = workspace.take(u.dim(0), 3 * width); // (N, 3D)
    qkvTime.forward(c, time);
    var packed = workspace.take(u.dim(0), u.dim(1), 3 * width); // (N, T, 3D)
    qkv.forward(u, packed);
    backend.addPerSample(packed, time, packed);
    var q = packed.columns(0, width);
    var k = packed.columns(width, 2 * width);
    var v = packed.columns(2 * width, 3 * width);
    backend.attention(q, k, v, spec, u); // (N, T, D)
    proj.forward(u, null, x, x);
    workspace.release(mark);
  }
}
