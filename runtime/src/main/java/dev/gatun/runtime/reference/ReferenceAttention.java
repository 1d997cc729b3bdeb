package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;
import static dev.gatun.runtime.reference.ReferenceBackend.atLeast;
import static dev.gatun.runtime.reference.ReferenceBackend.dot;
import static dev.gatun.runtime.reference.ReferenceBackend.value;
import static dev.gatun.runtime.reference.ReferenceBackend.widen;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;

/**
 * {@link dev.gatun.runtime.Backend#attention}, query by query. Tokens attend to each other in
 * groups: the windows of a sample, or all of it.
 */
final class ReferenceAttention {
  /** One query widened to double, and the weights of one softmax. */
  private double[] wide = new double[0];

  private double[] weights = new double[0];

  // The call that is running.
  private AttentionSpec spec;
  private int size;
  private int keys;

  void attention(Tensor q, Tensor k, Tensor v, AttentionSpec spec, Tensor out) {
    this.spec = spec;
    size = q.dim(2) / spec.heads();
    int groups = q.dim(0);
    int queries = q.dim(1);
    keys = k.dim(1);
    if (spec.windows() != null) {
      groups *= spec.windows().count();
      queries = spec.windows().area();
      keys = queries;
    }
    wide = atLeast(wide, size);
    weights = atLeast(weights, keys);
    for (int group = 0; group < groups; group++) {
      for (int head = 0; head < spec.heads(); head++) {
        for (int i = 0; i < queries; i++) {
          int seen = spec.causal() ? Math.min(i + 1, keys) : keys;
          widen(q.segment(), at(q, group, i, queries, head), wide, size);
          softmax(k, group, head, i, seen);
          mean(v, group, head, seen, out, at(out, group, i, queries, head));
        }
      }
    }
  }

  /** Byte offset of a head of a token. */
  private long at(Tensor tensor, int group, int token, int tokens, int head) {
    var grid = spec.windows();
    long position = (long) group * tokens + token;
    if (grid != null) {
      long sample = group / grid.count();
      position = sample * tensor.dim(1) + grid.position(group % grid.count(), token);
    }
    return row(tensor, position) + (long) head * size * 4;
  }

  /** {@code weights[j] = exp(scale·q·k_j + bias - max) / Σ}, with the query in {@link #wide}. */
  private void softmax(Tensor k, int group, int head, int query, int seen) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < seen; j++) {
      double product = dot(wide, k.segment(), at(k, group, j, keys, head), size);
      weights[j] = spec.scale() * product + bias(head, query, j);
      max = Math.max(max, weights[j]);
    }
    double sum = 0;
    for (int j = 0; j < seen; j++) {
      weights[j] = Math.exp(weights[j] - max);
      sum += weights[j];
    }
    for (int j = 0; j < seen; j++) {
      weights[j] /= sum;
    }
  }

  /** The relative position bias of two tokens of a window. */
  private double bias(int head, int query, int key) {
    if (spec.relativeBias() == null) {
      return 0;
    }
    int side = spec.windows().side();
    int rows = query / side - key / side + side - 1;
    int columns = query % side - key % side + side - 1;
    return value(spec.relativeBias(), head, rows * (2 * side - 1) + columns);
  }

  /** {@code out_d = Σ weights[j]·v_jd}. */
  private void mean(Tensor v, int group, int head, int seen, Tensor out, long target) {
    for (int d = 0; d < size; d++) {
      wide[d] = 0;
    }
    var values = v.segment();
    for (int j = 0; j < seen; j++) {
      long at = at(v, group, j, keys, head);
      for (int d = 0; d < size; d++) {
        wide[d] += weights[j] * values.get(FLOAT, at + d * 4L);
      }
    }
    for (int d = 0; d < size; d++) {
      out.segment().set(FLOAT, target + d * 4L, (float) wide[d]);
    }
  }
}
