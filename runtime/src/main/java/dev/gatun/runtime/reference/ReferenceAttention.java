package dev.gatun.runtime.reference;

import static dev.gatun.runtime.Tensor.FLOAT;
import static dev.gatun.runtime.reference.HostMovement.row;
import static dev.gatun.runtime.reference.ReferenceBackend.atLeast;
import static dev.gatun.runtime.reference.ReferenceBackend.value;
import static dev.gatun.runtime.reference.ReferenceBackend.widen;

import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * {@link dev.gatun.runtime.Backend#attention} and its gradient, query by query. Tokens attend to
 * each other in groups: the windows of a sample, or all of it.
 */
final class ReferenceAttention {
  /** One query widened to double, and the weights of one softmax. */
  private double[] wide = new double[0];

  private double[] weights = new double[0];

  /** The gradients of one query, and of all keys and all values of a head, as they are summed. */
  private double[] dQuery = new double[0];

  private double[] dKeys = new double[0];
  private double[] dValues = new double[0];

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
    long position = grid == null ? (long) group * tokens + token : grid.row(group, token);
    return row(tensor, position) + (long) head * size * 4;
  }

  /** {@code weights[j] = exp(scale·q·k_j + bias - max) / Σ}, with the query in {@link #wide}. */
  private void softmax(Tensor k, int group, int head, int query, int seen) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < seen; j++) {
      double product = ReferenceBackend.dot(wide, k.segment(), at(k, group, j, keys, head), size);
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

  /**
   * With the weights P of a query's softmax and {@code dP_j = dOut·v_j}, the gradient of its scores
   * is {@code dS = P ⊙ (dP − Σ P ⊙ dP)}.
   */
  void gradient(
      Tensor q,
      Tensor k,
      Tensor v,
      AttentionSpec spec,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    this.spec = spec;
    size = q.dim(2) / spec.heads();
    int queries = q.dim(1);
    keys = k.dim(1);
    wide = atLeast(wide, size);
    weights = atLeast(weights, keys);
    dQuery = atLeast(dQuery, size);
    dKeys = atLeast(dKeys, Math.multiplyExact(keys, size));
    dValues = atLeast(dValues, dKeys.length);
    for (int n = 0; n < q.dim(0); n++) {
      for (int head = 0; head < spec.heads(); head++) {
        Arrays.fill(dKeys, 0);
        Arrays.fill(dValues, 0);
        for (int i = 0; i < queries; i++) {
          int seen = spec.causal() ? Math.min(i + 1, keys) : keys;
          widen(q.segment(), at(q, n, i, queries, head), wide, size);
          softmax(k, n, head, i, seen);
          addGradient(k, v, n, head, seen, dOut, at(dOut, n, i, queries, head));
          store(dQuery, 0, dq, at(dq, n, i, queries, head));
        }
        for (int j = 0; j < keys; j++) {
          store(dKeys, j * size, dk, at(dk, n, j, keys, head));
          store(dValues, j * size, dv, at(dv, n, j, keys, head));
        }
      }
    }
  }

  private void addGradient(Tensor k, Tensor v, int n, int head, int seen, Tensor dOut, long dAt) {
    Arrays.fill(dQuery, 0);
    var slopes = dOut.segment();
    double mean = 0;
    for (int j = 0; j < seen; j++) {
      mean += weights[j] * dot(slopes, dAt, v.segment(), at(v, n, j, keys, head));
    }
    for (int j = 0; j < seen; j++) {
      double dWeight = dot(slopes, dAt, v.segment(), at(v, n, j, keys, head));
      double dProduct = spec.scale() * weights[j] * (dWeight - mean);
      long key = at(k, n, j, keys, head);
      for (int d = 0; d < size; d++) {
        dQuery[d] += dProduct * k.segment().get(FLOAT, key + d * 4L);
        dKeys[j * size + d] += dProduct * wide[d];
        dValues[j * size + d] += weights[j] * slopes.get(FLOAT, dAt + d * 4L);
      }
    }
  }

  private double dot(MemorySegment x, long at, MemorySegment y, long with) {
    double sum = 0;
    for (int d = 0; d < size; d++) {
      sum += (double) x.get(FLOAT, at + d * 4L) * y.get(FLOAT, with + d * 4L);
    }
    return sum;
  }

  private void store(double[] from, int first, Tensor to, long at) {
    for (int d = 0; d < size; d++) {
      to.segment().set(FLOAT, at + d * 4L, (float) from[first + d]);
    }
  }
}
