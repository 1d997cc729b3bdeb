package dev.gatun.models.vae;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;

/**
 * Encodes or decodes a picture tile by tile, as diffusers' {@code tiled_encode} and {@code
 * tiled_decode}: tiles begin every {@code step} pixels and overlap; where they do, each is blended
 * by a linear ramp with the tile above, as that was blended, then with the one on the left; of the
 * result the part that no later tile covers is kept.
 */
final class TiledPass {
  /** What is done with one tile. */
  @FunctionalInterface
  interface Pass {
    /** {@code [1, h, w, c] → [1, h', w', c']}. */
    void forward(Tensor x, Workspace workspace, Tensor out);
  }

  private final Backend backend;
  private final int tile;
  private final int step;
  private final int outTile;
  private final int outStep;
  private final Pass pass;
  private Tensor[] above = {};

  /**
   * @param tile height and width of a tile of the operand
   * @param step distance between tiles of the operand
   * @param outTile height and width of a tile of the result
   * @param outStep distance between tiles of the result
   */
  TiledPass(Backend backend, int tile, int step, int outTile, int outStep, Pass pass) {
    this.backend = backend;
    this.tile = tile;
    this.step = step;
    this.outTile = outTile;
    this.outStep = outStep;
    this.pass = pass;
  }

  /** Height and width of a tile of the operand. */
  int tile() {
    return tile;
  }

  /** One sample: {@code [1, H, W, c] → [1, H', W', c']}. */
  void forward(Tensor x, Workspace workspace, Tensor out) {
    int mark = workspace.mark();
    int rows = Math.ceilDiv(out.dim(1), outStep);
    int cols = Math.ceilDiv(out.dim(2), outStep);
    int overlap = outTile - outStep;
    int channels = out.dim(3);
    if (above.length < cols) {
      above = new Tensor[cols];
    }
    for (int j = 0; j < cols; j++) {
      above[j] = workspace.take(overlap, extent(j, out.dim(2)) * channels); // lowest rows
    }
    var left = workspace.take(outTile, overlap * channels); // last columns
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        int inner = workspace.mark();
        var result = tile(x, i, j, workspace, out);
        var lines = lines(result); // (h', w'·c')
        if (i > 0) {
          blendRows(above[j], lines, overlap);
        }
        if (j > 0) {
          blendColumns(left, lines, overlap, channels);
        }
        keep(lines, above[j], left, channels);
        place(lines, lines(out), i, j, channels);
        workspace.release(inner);
      }
    }
    workspace.release(mark);
  }

  /** Height or width of the result of the tile with this index, within the result's extent. */
  private int extent(int index, int whole) {
    return Math.min(outTile, whole - index * outStep);
  }

  private Tensor tile(Tensor x, int i, int j, Workspace workspace, Tensor out) {
    int top = i * step;
    int begin = j * step;
    int height = Math.min(tile, x.dim(1) - top);
    int width = Math.min(tile, x.dim(2) - begin);
    int c = x.dim(3);
    var operand = workspace.take(1, height, width, c); // (1, h, w, c)
    backend.copy(
        lines(x).slice(top, top + height).columns(begin * c, (begin + width) * c), lines(operand));
    var result =
        workspace.take(1, extent(i, out.dim(1)), extent(j, out.dim(2)), out.dim(3)); // h', w', c'
    pass.forward(operand, workspace, result);
    return result;
  }

  /** {@code [1, H, W, C]} seen as H rows. */
  private static Tensor lines(Tensor map) {
    return map.reshape(map.dim(1), map.dim(2) * map.dim(3));
  }

  /**
   * {@code row y = (1 − y/n)·(row y of the tile above, from where this one begins) + y/n·row y}.
   */
  private void blendRows(Tensor above, Tensor lines, int overlap) {
    int n = Math.min(overlap, lines.dim(0));
    for (int y = 0; y < n; y++) {
      var row = lines.slice(y, y + 1);
      backend.combine(1 - (double) y / n, above.slice(y, y + 1), (double) y / n, row, row);
    }
  }

  /** The same with the columns of the tile on the left. */
  private void blendColumns(Tensor left, Tensor lines, int overlap, int channels) {
    int n = Math.min(overlap, lines.dim(1) / channels);
    var beside = left.slice(0, lines.dim(0));
    for (int x = 0; x < n; x++) {
      int from = x * channels;
      var column = lines.columns(from, from + channels);
      var other = beside.columns(from, from + channels);
      backend.combine(1 - (double) x / n, other, (double) x / n, column, column);
    }
  }

  /** Keeps what the tiles below and on the right will be blended with. */
  private void keep(Tensor lines, Tensor above, Tensor left, int channels) {
    int rows = lines.dim(0) - outStep;
    if (rows > 0) {
      backend.copy(lines.slice(outStep, outStep + rows), above.slice(0, rows));
    }
    int from = outStep * channels;
    int columns = lines.dim(1) - from;
    if (columns > 0) {
      backend.copy(
          lines.columns(from, from + columns), left.slice(0, lines.dim(0)).columns(0, columns));
    }
  }

  private void place(Tensor lines, Tensor out, int i, int j, int channels) {
    int height = Math.min(outStep, lines.dim(0));
    int width = Math.min(outStep * channels, lines.dim(1));
    int begin = j * outStep * channels;
    backend.copy(
        lines.slice(0, height).columns(0, width),
        out.slice(i * outStep, i * outStep + height).columns(begin, begin + width));
  }
}
