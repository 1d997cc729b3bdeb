package dev.gatun.runtime;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * What a {@link RecordingBackend} knows of the memory it has handed out: which cells depend on a
 * watched input, and a shadow of each region for the adjoints of its cells. A cell is a float.
 *
 * <p>A tensor's adjoint is the view of the shadow at the same place, whatever tensor, view or chunk
 * of a workspace the operators see there.
 */
final class RecordedMemory implements AutoCloseable {
  /** Columns of a shadow, and rows that are zeroed at a time. */
  private static final int BLOCK = 1024;

  private static final class Region {
    final Tensor tensor;
    final boolean foreign;
    final long begin;
    final long end;
    final BitSet active = new BitSet();

    /** F32 {@code [any, BLOCK]}, made when an adjoint is first asked for. */
    Tensor shadow;

    /** Whether a cell has been active since the last {@link #forget}. */
    boolean touched;

    Region(Tensor tensor, boolean foreign) {
      this.tensor = tensor;
      this.foreign = foreign;
      begin = tensor.address();
      end = begin + tensor.span();
    }

    int cell(Tensor part) {
      return Math.toIntExact((part.address() - begin) / Float.BYTES);
    }

    void close() {
      if (shadow != null) {
        shadow.close();
      }
    }
  }

  private final Backend backend;

  /** Sorted by address; they do not overlap. */
  private final List<Region> regions = new ArrayList<>();

  private Tensor zeros;

  RecordedMemory(Backend backend) {
    this.backend = backend;
  }

  /** Adds the memory of a new tensor. */
  void add(Tensor tensor) {
    add(new Region(tensor, false));
  }

  private void add(Region region) {
    if (region.begin == region.end) {
      return;
    }
    int at = 0;
    for (int i = regions.size() - 1; i >= 0; i--) {
      var other = regions.get(i);
      // Freed memory may be handed out again; a watched tensor may lie elsewhere the next time.
      boolean overlaps = other.begin < region.end && region.begin < other.end;
      if (!other.tensor.isAlive() || other.foreign && overlaps) {
        other.close();
        regions.remove(i);
      }
    }
    while (at < regions.size() && regions.get(at).begin < region.begin) {
      at++;
    }
    regions.add(at, region);
  }

  /** The region that a tensor lies in, or null for none. */
  private Region find(Tensor tensor) {
    if (tensor == null || !tensor.isAlive() || !tensor.device().equals(backend.device())) {
      return null;
    }
    long begin = tensor.address();
    long end = begin + tensor.span();
    int low = 0;
    int high = regions.size() - 1;
    while (low <= high) {
      int middle = (low + high) >>> 1;
      var region = regions.get(middle);
      if (region.end <= begin) {
        low = middle + 1;
      } else if (region.begin > begin) {
        high = middle - 1;
      } else {
        return end <= region.end && region.tensor.isAlive() ? region : null;
      }
    }
    return null;
  }

  /** Whether a tensor lies in the memory that is known here. */
  boolean contains(Tensor tensor) {
    return find(tensor) != null;
  }

  /** Makes a tensor depend on itself: the input. */
  void watch(Tensor tensor) {
    if (!contains(tensor)) {
      add(new Region(tensor, true));
    }
    set(tensor, true);
  }

  /** Whether any element of a tensor depends on a watched one; not if the tensor is null. */
  boolean isActive(Tensor tensor) {
    var region = find(tensor);
    if (region == null || !region.touched || tensor.dtype() != DType.F32) {
      return false;
    }
    int cols = tensor.shape().cols();
    int first = region.cell(tensor);
    if (tensor.isContiguous()) {
      return anyActive(region, first, first + Math.toIntExact(tensor.shape().size()));
    }
    for (long r = 0; r < tensor.shape().rows(); r++) {
      int from = Math.toIntExact(first + r * tensor.rowStride());
      if (anyActive(region, from, from + cols)) {
        return true;
      }
    }
    return false;
  }

  private static boolean anyActive(Region region, int from, int to) {
    int next = region.active.nextSetBit(from);
    return next >= 0 && next < to;
  }

  /**
   * Says that a tensor was overwritten, and whether its elements depend on a watched one now.
   *
   * @return whether the cells may have adjoints of their old contents
   */
  boolean set(Tensor tensor, boolean active) {
    var region = find(tensor);
    if (region == null || !(active || region.touched)) {
      return false;
    }
    region.touched = true;
    int first = region.cell(tensor);
    if (tensor.dtype() != DType.F32 || tensor.isContiguous()) {
      int cells = Math.toIntExact(Math.ceilDiv(tensor.span(), Float.BYTES));
      region.active.set(first, first + cells, active);
      return true;
    }
    for (long r = 0; r < tensor.shape().rows(); r++) {
      int from = Math.toIntExact(first + r * tensor.rowStride());
      region.active.set(from, from + tensor.shape().cols(), active);
    }
    return true;
  }

  /** The adjoint of a tensor. */
  Tensor adjoint(Tensor tensor) {
    var region = find(tensor);
    if (region.shadow == null) {
      long cells = Math.ceilDiv(region.end - region.begin, Float.BYTES);
      int rows = Math.toIntExact(Math.ceilDiv(cells, BLOCK));
      region.shadow = backend.allocate(DType.F32, Shape.of(rows, BLOCK));
    }
    return tensor.in(region.shadow, tensor.address() - region.begin);
  }

  /** Sets all adjoints to zero. */
  void zeroAdjoints() {
    if (zeros == null) {
      zeros = backend.allocate(DType.F32, Shape.of(BLOCK, BLOCK));
    }
    for (int i = 0; i < regions.size(); i++) {
      var shadow = regions.get(i).shadow;
      for (int r = 0; shadow != null && r < shadow.dim(0); r += BLOCK) {
        int rows = Math.min(BLOCK, shadow.dim(0) - r);
        backend.copy(zeros.slice(0, rows), shadow.slice(r, r + rows));
      }
    }
  }

  /** Nothing is active any more. */
  void forget() {
    for (int i = 0; i < regions.size(); i++) {
      var region = regions.get(i);
      region.active.clear();
      region.touched = false;
    }
  }

  @Override
  public void close() {
    regions.forEach(Region::close);
    regions.clear();
    if (zeros != null) {
      zeros.close();
    }
  }
}
