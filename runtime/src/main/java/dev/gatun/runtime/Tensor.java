package dev.gatun.runtime;

import dev.gatun.bindings.memory.HugePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A dense array of numbers in off-heap memory, 64-byte aligned, with an explicit owner. The memory
 * is the host's or a GPU's; the elements of the latter are seen after a {@link Backend#copy} to
 * host memory.
 *
 * <p>The elements lie in row-major order. Seen as rows of the last axis, consecutive rows lie
 * {@link #rowStride()} elements apart; that is the last extent, or more for a view on some of the
 * columns ({@link #columns}), so q, k and v are views of one packed qkv, and a chunk of a
 * modulation is a view of all of them.
 *
 * <p>Whoever allocates a tensor closes it. A view shares the memory of its origin and is closed
 * with it; closing a view itself does nothing. Use after close throws {@link
 * IllegalStateException}.
 *
 * <p>Reading and writing elements is safe from any thread while no operator writes them; making
 * views is not thread-safe.
 */
public final class Tensor implements AutoCloseable {
  /** Alignment of every allocation, in bytes: a cache line, and a 512-bit vector. */
  public static final int ALIGNMENT = 64;

  /** How floats are stored: little-endian, as in every checkpoint format. */
  public static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final ValueLayout.OfDouble DOUBLE =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Device device;
  private final DType dtype;
  private final Shape shape;
  private final int rowStride;
  private final MemorySegment segment;

  /** Frees the memory, or null where this tensor does not own it. */
  private final Arena owner;

  /**
   * Views handed out so far: asking again returns the same object, so a denoising loop allocates
   * none.
   */
  private List<Tensor> views = List.of();

  private Tensor(
      Device device, DType dtype, Shape shape, int rowStride, MemorySegment segment, Arena owner) {
    this.device = device;
    this.dtype = dtype;
    this.shape = shape;
    this.rowStride = rowStride;
    this.segment = segment;
    this.owner = owner;
  }

  /** A new tensor of zeros in host memory, owned by the caller. */
  public static Tensor allocate(DType dtype, Shape shape) {
    var arena = Arena.ofShared();
    try {
      long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
      var huge = HugePages.allocate(bytes, arena);
      var segment = huge == null ? arena.allocate(bytes, ALIGNMENT) : huge;
      return new Tensor(Device.CPU, dtype, shape, shape.cols(), segment, arena);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
    }
  }

  /** A new F32 tensor in host memory with the given elements, owned by the caller. */
  public static Tensor of(Shape shape, float... values) {
    requireSize(shape, values.length);
    var tensor = allocate(DType.F32, shape);
    MemorySegment.copy(values, 0, tensor.segment, FLOAT, 0, values.length);
    return tensor;
  }

  /** A new I64 tensor in host memory with the given elements, owned by the caller. */
  public static Tensor of(Shape shape, long... values) {
    requireSize(shape, values.length);
    var tensor = allocate(DType.I64, shape);
    MemorySegment.copy(values, 0, tensor.segment, LONG, 0, values.length);
    return tensor;
  }

  /**
   * A tensor over memory that somebody else owns, for example a mapped file.
   *
   * @param segment exactly the bytes of the elements, row-major and little-endian; of an arena
   *     whose memory any thread may access, since operators share their work among threads
   */
  public static Tensor wrap(Device device, DType dtype, Shape shape, MemorySegment segment) {
    long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
    if (segment.byteSize() != bytes) {
      throw new IllegalArgumentException(
          "a "
              + dtype
              + " tensor "
              + shape
              + " has "
              + bytes
              + " bytes, the segment has "
              + segment.byteSize());
    }
    return new Tensor(device, dtype, shape, shape.cols(), segment, null);
  }

  /**
   * A new tensor over memory that is freed with it.
   *
   * @param segment at least the bytes of the elements, row-major and little-endian
   * @param owner closed with the tensor, which frees the memory
   */
  public static Tensor owning(
      Device device, DType dtype, Shape shape, MemorySegment segment, Arena owner) {
    long bytes = Math.multiplyExact(shape.size(), dtype.bytes());
    return new Tensor(device, dtype, shape, shape.cols(), segment.asSlice(0, bytes), owner);
  }

  private static void requireSize(Shape shape, int length) {
    if (shape.size() != length) {
      throw new IllegalArgumentException(
          "shape " + shape + " has " + shape.size() + " elements, not " + length);
    }
  }

  public Device device() {
    return device;
  }

  public DType dtype() {
    return dtype;
  }

  public Shape shape() {
    return shape;
  }

  /** Extent of an axis, as {@link Shape#dim}. */
  public int dim(int axis) {
    return shape.dim(axis);
  }

  /** Distance between consecutive rows of the last axis, in elements. */
  public int rowStride() {
    return rowStride;
  }

  /** Whether the rows lie back to back. */
  public boolean isContiguous() {
    return rowStride == shape.cols() || shape.rows() == 1;
  }

  /**
   * The memory, from the first element to the last.
   *
   * @throws IllegalStateException if the tensor is closed, or not in host memory: reading a GPU's
   *     address would end the JVM
   */
  public MemorySegment segment() {
    return inHost(memory());
  }

  /**
   * Where the first element lies, in the address space of the device.
   *
   * @throws IllegalStateException if the tensor is closed
   */
  public long address() {
    return memory().address();
  }

  /** How many bytes there are from the first element to the last. */
  public long span() {
    return segment.byteSize();
  }

  /** The memory, wherever it is: to be divided, not to be read. */
  MemorySegment memory() {
    if (!isAlive()) {
      throw new IllegalStateException("tensor " + this + " is closed");
    }
    return segment;
  }

  private MemorySegment inHost(MemorySegment memory) {
    if (device.kind() != Device.Kind.CPU) {
      throw new IllegalStateException(
          "tensor " + this + " is not in host memory: copy it to a host tensor first");
    }
    return memory;
  }

  /** Whether the memory is still there. */
  public boolean isAlive() {
    return segment.scope().isAlive();
  }

  /**
   * A view of the columns {@code from} (inclusive) to {@code to} (exclusive) of every row: {@code
   * [..., to - from]}. The same arguments give the same object again.
   */
  public Tensor columns(int from, int to) {
    if (from < 0 || from > to || to > shape.cols()) {
      throw new IndexOutOfBoundsException("columns " + from + " to " + to + " of tensor " + this);
    }
    // An empty view begins nowhere: its place could lie behind the end of the memory.
    long offset = from == to || shape.size() == 0 ? 0 : from;
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (differsOnlyIn(view, shape.rank() - 1, to - from) && begins(view, offset)) {
        return view;
      }
    }
    int[] dims = shape.dims();
    dims[dims.length - 1] = to - from;
    return view(Shape.of(dims), offset);
  }

  /** A view of the entries {@code from} (inclusive) to {@code to} (exclusive) of the first axis. */
  public Tensor slice(int from, int to) {
    if (shape.rank() < 2 || from < 0 || from > to || to > shape.dim(0)) {
      throw new IndexOutOfBoundsException("entries " + from + " to " + to + " of tensor " + this);
    }
    long rows = shape.rows() / Math.max(1, shape.dim(0));
    long offset = from == to || shape.size() == 0 ? 0 : from * rows * rowStride;
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (differsOnlyIn(view, 0, to - from) && begins(view, offset)) {
        return view;
      }
    }
    int[] dims = shape.dims();
    dims[0] = to - from;
    return view(Shape.of(dims), offset);
  }

  /**
   * A view of the same elements with other extents.
   *
   * @throws IllegalArgumentException if the number of elements differs, or if this is a view on
   *     some columns and the last extent differs
   */
  public Tensor reshape(Shape to) {
    if (to.size() != shape.size() || !(isContiguous() || to.cols() == shape.cols())) {
      throw new IllegalArgumentException("tensor " + this + " cannot be seen as " + to);
    }
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (view.shape.equals(to) && begins(view, 0)) {
        return view;
      }
    }
    return remember(
        new Tensor(device, dtype, to, isContiguous() ? to.cols() : rowStride, segment, null));
  }

  /** {@link #reshape(Shape)} to {@code [a, b]}; a remembered view needs no new shape. */
  public Tensor reshape(int a, int b) {
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (view.shape.is(a, b) && view.shape.size() == shape.size() && begins(view, 0)) {
        return view;
      }
    }
    return reshape(Shape.of(a, b));
  }

  /** {@link #reshape(Shape)} to {@code [a, b, c]}; a remembered view needs no new shape. */
  public Tensor reshape(int a, int b, int c) {
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (view.shape.is(a, b, c) && view.shape.size() == shape.size() && begins(view, 0)) {
        return view;
      }
    }
    return reshape(Shape.of(a, b, c));
  }

  /** Whether a view has this tensor's extents, but for one axis of a given extent. */
  private boolean differsOnlyIn(Tensor view, int axis, int extent) {
    if (view.shape.rank() != shape.rank()) {
      return false;
    }
    for (int i = 0; i < shape.rank(); i++) {
      if (view.shape.dim(i) != (i == axis ? extent : shape.dim(i))) {
        return false;
      }
    }
    return true;
  }

  private boolean begins(Tensor view, long offset) {
    return view.segment.address() - segment.address() == offset * dtype.bytes();
  }

  private Tensor view(Shape to, long offset) {
    long elements = to.size() == 0 ? 0 : (to.rows() - 1) * rowStride + to.cols();
    var part = segment.asSlice(offset * dtype.bytes(), elements * dtype.bytes());
    return remember(new Tensor(device, dtype, to, rowStride, part, null));
  }

  private Tensor remember(Tensor view) {
    if (views.isEmpty()) {
      views = new ArrayList<>(4);
    }
    views.add(view);
    return view;
  }

  /**
   * The tensor that lies in another one's memory as this one lies in its own: the same extents and
   * row stride.
   *
   * @param other of at least the size of this one, on any device
   * @param offset where in it the tensor begins, in bytes
   */
  Tensor in(Tensor other, long offset) {
    var part = other.memory().asSlice(offset, segment.byteSize());
    return new Tensor(other.device, dtype, shape, rowStride, part, null);
  }

  /** Byte offset of the element with the given row-major index. */
  private long offset(long index) {
    int cols = shape.cols();
    return (rowStride == cols ? index : index / cols * rowStride + index % cols) * dtype.bytes();
  }

  /**
   * One element as a float, converted where the type is another; the index counts in row-major
   * order.
   */
  public float getFloat(long index) {
    return dtype == DType.F32
        ? inHost(segment).get(FLOAT, offset(index))
        : (float) getDouble(index);
  }

  /** One element as a double, converted where the type is another. */
  public double getDouble(long index) {
    long at = offset(index);
    var segment = inHost(this.segment);
    return switch (dtype) {
      case F64 -> segment.get(DOUBLE, at);
      case F32 -> segment.get(FLOAT, at);
      case F16 -> Float.float16ToFloat(segment.get(SHORT, at));
      case BF16 -> Float.intBitsToFloat(segment.get(SHORT, at) << 16);
      case I64, I32, I16, I8, U8, BOOL -> getLong(index);
    };
  }

  /** One element of an integer type as a long. */
  public long getLong(long index) {
    long at = offset(index);
    var segment = inHost(this.segment);
    return switch (dtype) {
      case I64 -> segment.get(LONG, at);
      case I32 -> segment.get(INT, at);
      case I16 -> segment.get(SHORT, at);
      case I8 -> segment.get(ValueLayout.JAVA_BYTE, at);
      case U8 -> segment.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
      case BOOL -> segment.get(ValueLayout.JAVA_BYTE, at) == 0 ? 0 : 1;
      case F64, F32, F16, BF16 ->
          throw new IllegalStateException("tensor " + this + " does not hold integers");
    };
  }

  /** Sets one element of an F32 tensor. */
  public void setFloat(long index, float value) {
    require(DType.F32);
    inHost(segment).set(FLOAT, offset(index), value);
  }

  /** Sets one element of an I64 tensor. */
  public void setLong(long index, long value) {
    require(DType.I64);
    inHost(segment).set(LONG, offset(index), value);
  }

  /** All elements as floats, in row-major order. */
  public float[] toFloats() {
    float[] values = new float[Math.toIntExact(shape.size())];
    if (dtype == DType.F32 && isContiguous()) {
      MemorySegment.copy(segment(), FLOAT, 0, values, 0, values.length);
    } else {
      for (int i = 0; i < values.length; i++) {
        values[i] = getFloat(i);
      }
    }
    return values;
  }

  /** Sets all elements of a contiguous F32 tensor, in row-major order. */
  public void setFloats(float... values) {
    require(DType.F32);
    requireSize(shape, values.length);
    if (!isContiguous()) {
      throw new IllegalStateException("tensor " + this + " is a view on some columns");
    }
    MemorySegment.copy(values, 0, segment(), FLOAT, 0, values.length);
  }

  private void require(DType expected) {
    if (dtype != expected) {
      throw new IllegalStateException("tensor " + this + " is not " + expected);
    }
  }

  /** Frees the memory if this tensor owns it; closing twice does nothing. */
  @Override
  public void close() {
    if (owner != null && owner.scope().isAlive()) {
      owner.close();
    }
  }

  /** For example {@code F32 [2, 256, 1152] on cpu}. */
  @Override
  public String toString() {
    return dtype + " " + shape + " on " + device;
  }
}
