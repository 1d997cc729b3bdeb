package dev.gatun.runtime;

import java.util.ArrayList;
import java.util.List;

/**
 * Memory for the intermediates of a forward pass, used like a stack: {@link #mark()} before a block
 * of work, tensors with {@link #take}, {@link #release} after it. Memory is reused, never given
 * back before {@link #close()}.
 *
 * <p>A pass that asks for the same shapes in the same order as the one before it gets the very same
 * tensors, so from the second step of a denoising loop on nothing is allocated, off heap or on.
 * What a tensor holds when it is taken is undefined.
 *
 * <p>Not thread-safe: one workspace belongs to one pass at a time.
 */
public final class Workspace implements AutoCloseable {
  private static final long FIRST_CHUNK = 1 << 20;

  /** Numbers in bf16 of a cache line. */
  private static final int LINE = Tensor.ALIGNMENT / Short.BYTES;

  /** How many different tensors are remembered above one; a service may see shapes without end. */
  private static final int REMEMBERED = 64;

  /**
   * A tensor that was handed out, where it ends, and what has ever been taken on top of it: a tree
   * of all sequences so far, in which the live tensors are the path from the root to {@link #top}.
   */
  private static final class Slot {
    final Slot below;
    final int height;
    final Tensor tensor;
    final int chunk;
    final long end;
    final List<Slot> above = new ArrayList<>(2);

    Slot(Slot below, Tensor tensor, int chunk, long end) {
      this.below = below;
      this.height = below == null ? 0 : below.height + 1;
      this.tensor = tensor;
      this.chunk = chunk;
      this.end = end;
    }
  }

  private final Backend backend;
  private final List<Tensor> chunks = new ArrayList<>();
  private Slot top = new Slot(null, null, 0, 0); // the root: below the first tensor
  private boolean retaining;

  /** An empty workspace whose memory comes from a backend. */
  Workspace(Backend backend) {
    this.backend = backend;
  }

  /**
   * What the next tensors depend on: as long as it is the same object, asking for the same shapes
   * gives the same tensors.
   */
  public Object place() {
    return top;
  }

  /** The present height of the stack. */
  public int mark() {
    return top.height;
  }

  /**
   * Gives back every tensor taken since the mark, unless the workspace {@linkplain #retain retains}
   * them.
   */
  public void release(int mark) {
    if (mark < 0 || mark > top.height) {
      throw new IllegalArgumentException(
          "mark " + mark + " is above the workspace's height " + top.height);
    }
    while (!retaining && top.height > mark) {
      top = top.below;
    }
  }

  /**
   * Begins or ends a retain scope, in which {@link #release} keeps everything: a pass whose
   * gradient will be asked for needs its intermediates until the way back is done.
   */
  public void retain(boolean on) {
    retaining = on;
  }

  /** An F32 tensor {@code [a, b]}. */
  public Tensor take(int a, int b) {
    for (int i = 0; i < top.above.size(); i++) {
      var slot = top.above.get(i);
      if (slot.tensor.dtype() == DType.F32 && slot.tensor.shape().is(a, b)) {
        return push(slot);
      }
    }
    return take(DType.F32, Shape.of(a, b));
  }

  /** An F32 tensor {@code [a, b, c]}. */
  public Tensor take(int a, int b, int c) {
    for (int i = 0; i < top.above.size(); i++) {
      var slot = top.above.get(i);
      if (slot.tensor.dtype() == DType.F32 && slot.tensor.shape().is(a, b, c)) {
        return push(slot);
      }
    }
    return take(DType.F32, Shape.of(a, b, c));
  }

  /** An F32 tensor {@code [a, b, c, d]}. */
  public Tensor take(int a, int b, int c, int d) {
    for (int i = 0; i < top.above.size(); i++) {
      var slot = top.above.get(i);
      if (slot.tensor.dtype() == DType.F32 && slot.tensor.shape().is(a, b, c, d)) {
        return push(slot);
      }
    }
    return take(DType.F32, Shape.of(a, b, c, d));
  }

  /**
   * A tensor {@code [a, b, c]} of {@link Backend#factorType}. Rows of bf16 lie so far apart that
   * those of a matrix tile do not fall on the same lines of a cache: a number of lines that four
   * does not divide.
   */
  public Tensor takeFactor(int a, int b, int c) {
    if (backend.factorType() == DType.F32) {
      return take(a, b, c);
    }
    int lines = Math.ceilDiv(c, LINE);
    int stride = Math.multiplyExact(lines % 4 == 0 ? lines + 1 : lines, LINE);
    for (int i = 0; i < top.above.size(); i++) {
      var slot = top.above.get(i);
      if (slot.tensor.dtype() == DType.BF16 && slot.tensor.shape().is(a, b, stride)) {
        return push(slot).columns(0, c);
      }
    }
    return take(DType.BF16, Shape.of(a, b, stride)).columns(0, c);
  }

  /** A tensor of any type and shape. */
  public Tensor take(DType dtype, Shape shape) {
    for (int i = 0; i < top.above.size(); i++) {
      var slot = top.above.get(i);
      if (slot.tensor.dtype() == dtype && slot.tensor.shape().equals(shape)) {
        return push(slot);
      }
    }
    long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
    int chunk = top.chunk;
    long begin = top.end;
    while (chunk < chunks.size() && begin + bytes > chunks.get(chunk).shape().size()) {
      chunk++;
      begin = 0;
    }
    if (chunk == chunks.size()) {
      grow(bytes);
    }
    long end = Math.ceilDiv(begin + bytes, Tensor.ALIGNMENT) * Tensor.ALIGNMENT;
    var memory = chunks.get(chunk).memory().asSlice(begin, bytes);
    if (top.above.size() == REMEMBERED) {
      top.above.clear();
    }
    var slot = new Slot(top, Tensor.wrap(backend.device(), dtype, shape, memory), chunk, end);
    top.above.add(slot);
    return push(slot);
  }

  private Tensor push(Slot slot) {
    top = slot;
    return slot.tensor;
  }

  private void grow(long bytes) {
    // A quarter of what there is, so the number of chunks stays small and little is left over.
    long size = Math.max(Math.max(bytes, FIRST_CHUNK), bytes() / 4);
    // In rows of a cache line, since an extent is an int and a chunk may have more bytes than that.
    var shape = Shape.of(Math.toIntExact(Math.ceilDiv(size, Tensor.ALIGNMENT)), Tensor.ALIGNMENT);
    chunks.add(backend.allocate(DType.U8, shape));
  }

  /** How much memory the workspace holds, in bytes. */
  public long bytes() {
    long sum = 0;
    for (var chunk : chunks) {
      sum += chunk.shape().size();
    }
    return sum;
  }

  /** Frees the memory; the tensors taken from it are closed with it. */
  @Override
  public void close() {
    chunks.forEach(Tensor::close);
    chunks.clear();
    top = new Slot(null, null, 0, 0);
  }
}
