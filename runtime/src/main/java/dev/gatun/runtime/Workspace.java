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

  /** A tensor that was handed out, and where it lies. */
  private record Slot(Tensor tensor, int chunk, long begin, long end) {}

  private final Backend backend;
  private final List<Tensor> chunks = new ArrayList<>();
  private final List<Slot> slots = new ArrayList<>();
  private int taken;
  private boolean retaining;

  /** An empty workspace whose memory comes from a backend. */
  Workspace(Backend backend) {
    this.backend = backend;
  }

  /** The present height of the stack. */
  public int mark() {
    return taken;
  }

  /**
   * Gives back every tensor taken since the mark, unless the workspace {@linkplain #retain retains}
   * them.
   */
  public void release(int mark) {
    if (mark < 0 || mark > taken) {
      throw new IllegalArgumentException(
          "mark " + mark + " is above the workspace's height " + taken);
    }
    if (!retaining) {
      taken = mark;
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
    var next = next();
    return next != null && next.tensor.dtype() == DType.F32 && next.tensor.shape().is(a, b)
        ? again(next)
        : take(DType.F32, Shape.of(a, b));
  }

  /** An F32 tensor {@code [a, b, c]}. */
  public Tensor take(int a, int b, int c) {
    var next = next();
    return next != null && next.tensor.dtype() == DType.F32 && next.tensor.shape().is(a, b, c)
        ? again(next)
        : take(DType.F32, Shape.of(a, b, c));
  }

  /** An F32 tensor {@code [a, b, c, d]}. */
  public Tensor take(int a, int b, int c, int d) {
    var next = next();
    return next != null && next.tensor.dtype() == DType.F32 && next.tensor.shape().is(a, b, c, d)
        ? again(next)
        : take(DType.F32, Shape.of(a, b, c, d));
  }

  /** A tensor of any type and shape. */
  public Tensor take(DType dtype, Shape shape) {
    var next = next();
    if (next != null && next.tensor.dtype() == dtype && next.tensor.shape().equals(shape)) {
      return again(next);
    }
    // Another sequence than last time: what was remembered from here on does not apply.
    slots.subList(taken, slots.size()).clear();
    long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
    int chunk = taken == 0 ? 0 : slots.getLast().chunk;
    long begin = taken == 0 ? 0 : slots.getLast().end;
    while (chunk < chunks.size() && begin + bytes > chunks.get(chunk).shape().size()) {
      chunk++;
      begin = 0;
    }
    if (chunk == chunks.size()) {
      grow(bytes);
    }
    long end = Math.ceilDiv(begin + bytes, Tensor.ALIGNMENT) * Tensor.ALIGNMENT;
    var memory = chunks.get(chunk).segment().asSlice(begin, bytes);
    return again(
        push(new Slot(Tensor.wrap(backend.device(), dtype, shape, memory), chunk, begin, end)));
  }

  private Slot next() {
    return taken < slots.size() ? slots.get(taken) : null;
  }

  private Slot push(Slot slot) {
    slots.add(slot);
    return slot;
  }

  private Tensor again(Slot slot) {
    taken++;
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
    slots.clear();
    taken = 0;
  }
}
