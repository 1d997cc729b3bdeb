package dev.gatun.models.adm;

import static dev.gatun.models.adm.Backbone.EPS;
import static dev.gatun.models.adm.Backbone.GROUPS;

import dev.gatun.models.layers.GroupNorm;
import dev.gatun.models.layers.Linear;
import dev.gatun.models.layers.Weights;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Attention of the mean over all positions to itself and to all of them ({@code AttentionPool2d} of
 * the authors' code, after CLIP). Its qkv lies in the new order, whatever the blocks have.
 */
final class AttentionPool implements Pool {
  private final Backend backend;
  private final int channels;
  private final int tokens;
  private final AttentionSpec spec;
  private final GroupNorm norm;
  private final Tensor positions;
  private final Linear qkv;
  private final Linear head;

  AttentionPool(Weights weights, ClassifierConfig config) {
    backend = weights.backend();
    channels = config.backbone().innermost();
    tokens = config.positions() + 1;
    int size = config.backbone().numHeadChannels();
    spec = AttentionSpec.of(channels / size, size);
    norm = new GroupNorm(weights, "out.0", channels, GROUPS, EPS);
    positions =
        weights.tensor(
            "out.2.positional_embedding", Shape.of(channels, tokens), AttentionPool::transposed);
    qkv = PointwiseLayers.qkv(weights, "out.2.qkv_proj", channels, channels / size, true);
    head = PointwiseLayers.linear(weights, "out.2.c_proj", channels, config.numClasses(), 1);
  }

  private static Tensor transposed(Tensor matrix) {
    int rows = matrix.dim(0);
    int cols = matrix.dim(1);
    float[] from = matrix.toFloats();
    float[] to = new float[from.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        to[j * rows + i] = from[i * cols + j];
      }
    }
    return Tensor.of(Shape.of(cols, rows), to);
  }

  @Override
  public void forward(Tensor[] features, Tensor h, Workspace workspace, Tensor logits) {
    int n = h.dim(0);
    int c = channels;
    if (h.dim(1) * h.dim(2) != tokens - 1) {
      throw new IllegalArgumentException(
          "the innermost feature map is %s, but there are position embeddings for %d positions"
              .formatted(h.shape(), tokens - 1));
    }
    int mark = workspace.mark();
    var u = workspace.take(n, h.dim(1), h.dim(2), c); // (N, H, W, C)
    norm.forward(h, Activation.SILU, u);
    // A sample's tokens in one row, so that the first is a range of columns.
    var sequence = workspace.take(n, tokens * c); // (N, (HW + 1)·C)
    backend.meanOfPositions(u, sequence.columns(0, c));
    backend.copy(u.reshape(n, (tokens - 1) * c), sequence.columns(c, tokens * c));
    var placed = sequence.reshape(n * tokens, c); // (N·(HW + 1), C)
    backend.add(placed, positions, placed);
    var packed = workspace.take(n, tokens, 3 * c); // (N, HW + 1, 3C)
    qkv.forward(placed, packed);
    var query = workspace.take(n, 1, c); // (N, 1, C)
    backend.copy(packed.reshape(n, tokens * 3 * c).columns(0, c), query);
    var k = packed.columns(c, 2 * c);
    var v = packed.columns(2 * c, 3 * c);
    var pooled = workspace.take(n, 1, c); // (N, 1, C)
    backend.attention(query, k, v, spec, pooled);
    head.forward(pooled, logits); // (N, classes)
    workspace.release(mark);
  }
}
