package dev.gatun.runtime.cpu;

import static dev.gatun.runtime.cpu.asm.Gp.R10;
import static dev.gatun.runtime.cpu.asm.Gp.R11;
import static dev.gatun.runtime.cpu.asm.Gp.R8;
import static dev.gatun.runtime.cpu.asm.Gp.R9;
import static dev.gatun.runtime.cpu.asm.Gp.RAX;
import static dev.gatun.runtime.cpu.asm.Gp.RCX;
import static dev.gatun.runtime.cpu.asm.Gp.RDI;
import static dev.gatun.runtime.cpu.asm.Gp.RDX;
import static dev.gatun.runtime.cpu.asm.Gp.RSI;
import static dev.gatun.runtime.cpu.asm.Zmm.zmm;

import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.runtime.Activation;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Mask;

/**
 * What happens to the sums of a product in bf16 or bytes: {@code out = residual + gate ⊙
 * activation(sums)}, in machine code that is assembled for each combination of what there is. Sums
 * are floats, or ints that are first multiplied by a scale of their row and one of their column,
 * before a bias is added. The result is f32, or bf16 for another product to read.
 */
final class BrainEpilogue {
  private static final int WIDTH = BrainWeight.WIDTH;
  private static final int LANES = 16;
  private static final int LINE = 64;

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled[] STORE = all(false);
  }

  /** The same for ints. */
  private static final class ScalingCode {
    private static final Assembled[] STORE = all(true);
  }

  /** What is computed: a combination for each bit of its index. */
  private record Variant(Activation activation, boolean gated, boolean added, boolean rounded) {
    static final int COUNT = Activation.values().length * 8;

    static Variant of(int index) {
      var activation = Activation.values()[index / 8];
      return new Variant(activation, (index & 4) != 0, (index & 2) != 0, (index & 1) != 0);
    }

    /** Bf16 has neither a gate nor a residual. */
    boolean isComputed() {
      return !rounded || !(gated || added);
    }

    static int index(Activation activation, boolean gated, boolean added, boolean rounded) {
      return activation.ordinal() * 8 + (gated ? 4 : 0) + (added ? 2 : 0) + (rounded ? 1 : 0);
    }
  }

  private static Assembled[] all(boolean scaled) {
    var a = new Assembler();
    var constants = new ActivationCode(a);
    int[] offsets = new int[Variant.COUNT];
    for (int i = 0; i < offsets.length; i++) {
      var variant = Variant.of(i);
      if (variant.isComputed()) {
        a.align(LINE);
        offsets[i] = a.size();
        emit(a, constants, scaled, variant);
      }
    }
    constants.place();
    var memory = ExecutableMemory.of(a.code());
    var functions = new Assembled[offsets.length];
    for (int i = 0; i < offsets.length; i++) {
      functions[i] = Variant.of(i).isComputed() ? Assembled.at(memory, offsets[i]) : null;
    }
    return functions;
  }

  private Assembled code;
  private long rowScales;
  private long columnScales;
  private long bias;
  private long gate;
  private long gateStride;
  private int rowsPerGate;
  private long residual;
  private long residualStride;
  private int residualRows;
  private long out;
  private long outStride;
  private int outBytes;
  private int columns;
  private boolean plain;

  /** Sums are floats. */
  void set(Activation activation, Tensor gate, Tensor residual, Tensor out) {
    set(Code.STORE, activation, gate, residual, out);
  }

  /**
   * Sums are ints.
   *
   * @param rowScales address of a scale for each row
   * @param columnScales address of a scale for each column of whole panels
   * @param bias address of one number for each column of whole panels
   */
  void set(
      long rowScales,
      long columnScales,
      long bias,
      Activation activation,
      Tensor gate,
      Tensor residual,
      Tensor out) {
    this.rowScales = rowScales;
    this.columnScales = columnScales;
    this.bias = bias;
    set(ScalingCode.STORE, activation, gate, residual, out);
  }

  private void set(
      Assembled[] store, Activation activation, Tensor gate, Tensor residual, Tensor out) {
    boolean rounded = out.dtype() == DType.BF16;
    code = store[Variant.index(activation, gate != null, residual != null, rounded)];
    plain = activation == Activation.IDENTITY && gate == null && residual == null && !rounded;
    int rows = Math.toIntExact(out.shape().rows());
    rowsPerGate = Math.max(1, rows);
    residualRows = Math.max(1, rows);
    if (gate != null) {
      this.gate = gate.address();
      gateStride = bytes(gate);
      rowsPerGate = rows / Math.max(1, Math.toIntExact(gate.shape().rows()));
    }
    if (residual != null) {
      this.residual = residual.address();
      residualStride = bytes(residual);
      residualRows = Math.toIntExact(residual.shape().rows());
    }
    this.out = out.address();
    outBytes = out.dtype().bytes();
    outStride = (long) out.rowStride() * outBytes;
    columns = out.shape().cols();
  }

  private static long bytes(Tensor tensor) {
    return (long) tensor.rowStride() * Float.BYTES;
  }

  /**
   * Up to which panel the sums are the result, so that they can as well be made where it belongs.
   */
  int plainPanels(int panel, int end) {
    return plain ? Math.clamp(columns / WIDTH, panel, end) : panel;
  }

  /** Where an element of the result belongs. */
  long place(int row, int column) {
    return out + row * outStride + (long) column * outBytes;
  }

  /** Bytes from a row of the result to the next. */
  long stride() {
    return outStride;
  }

  /**
   * Stores sums of {@link BrainWeight#WIDTH} columns, or as many of them as the result has.
   *
   * @param sums address of the first row
   * @param stride bytes from a row to the next
   */
  void store(Arguments a, long sums, long stride, int row, int count, int column) {
    long mask = (1L << Math.min(WIDTH, columns - column)) - 1;
    long right = (long) column * Float.BYTES;
    for (int r = 0, end; r < count; r = end) {
      int sample = (row + r) / rowsPerGate;
      int first = (row + r) % residualRows;
      end = Math.min(count, (sample + 1) * rowsPerGate - row);
      end = Math.min(end, r + residualRows - first);
      a.set(0, sums + r * stride).set(1, stride);
      a.set(2, place(row + r, column)).set(3, outStride).set(4, end - r);
      a.set(5, mask).set(6, mask >>> LANES);
      a.set(7, gate + sample * gateStride + right);
      a.set(8, residual + first * residualStride + right).set(9, residualStride);
      a.set(10, rowScales + (row + r) * (long) Float.BYTES);
      a.set(11, columnScales + right).set(12, bias + right);
      code.call(a);
    }
  }

  private static void emit(Assembler a, ActivationCode constants, boolean scaled, Variant variant) {
    var rows = a.label();
    // R8 sums, R10 result, RSI rows, RDX residual, each with its stride behind it
    a.mov(RAX, Address.of(RDI, 5 * Long.BYTES));
    a.kmovw(Mask.K1, RAX);
    a.kmovd(Mask.K3, RAX);
    a.mov(RAX, Address.of(RDI, 6 * Long.BYTES));
    a.kmovw(Mask.K2, RAX);
    a.mov(R8, Address.of(RDI));
    a.mov(R9, Address.of(RDI, Long.BYTES));
    a.mov(R10, Address.of(RDI, 2 * Long.BYTES));
    a.mov(R11, Address.of(RDI, 3 * Long.BYTES));
    a.mov(RSI, Address.of(RDI, 4 * Long.BYTES));
    a.mov(RAX, Address.of(RDI, 7 * Long.BYTES));
    a.mov(RDX, Address.of(RDI, 8 * Long.BYTES));
    a.mov(RCX, Address.of(RDI, 9 * Long.BYTES));
    if (variant.gated()) {
      a.vmovups(zmm(30).zeroing(Mask.K1), Address.of(RAX));
      a.vmovups(zmm(31).zeroing(Mask.K2), Address.of(RAX, LINE));
    }
    if (scaled) {
      a.mov(RAX, Address.of(RDI, 11 * Long.BYTES));
      a.vmovups(zmm(26), Address.of(RAX));
      a.vmovups(zmm(27), Address.of(RAX, LINE));
      a.mov(RAX, Address.of(RDI, 12 * Long.BYTES));
      a.vmovups(zmm(28), Address.of(RAX));
      a.vmovups(zmm(29), Address.of(RAX, LINE));
      a.mov(RAX, Address.of(RDI, 10 * Long.BYTES));
    }
    a.bind(rows);
    if (scaled) {
      // The product of the scales comes first: sums times one of them might be infinite.
      a.vbroadcastss(zmm(2), Address.of(RAX));
      a.add(RAX, Float.BYTES);
      a.vmulps(zmm(3), zmm(2), zmm(27));
      a.vmulps(zmm(2), zmm(2), zmm(26));
      a.vcvtdq2ps(zmm(0), Address.of(R8));
      a.vcvtdq2ps(zmm(1), Address.of(R8, LINE));
      a.vfmadd213ps(zmm(0), zmm(2), zmm(28));
      a.vfmadd213ps(zmm(1), zmm(3), zmm(29));
    } else {
      a.vmovups(zmm(0), Address.of(R8));
      a.vmovups(zmm(1), Address.of(R8, LINE));
    }
    // The result is read before it is written to, unless its lines are fetched for that.
    a.prefetchw(Address.at(R10, R11, 8));
    if (!variant.rounded()) {
      a.prefetchw(Address.at(R10, R11, 8, LINE));
    }
    constants.activate(variant.activation(), zmm(0), zmm(1));
    if (variant.gated()) {
      a.vmulps(zmm(0), zmm(0), zmm(30));
      a.vmulps(zmm(1), zmm(1), zmm(31));
    }
    if (variant.added()) {
      a.vaddps(zmm(0).zeroing(Mask.K1), zmm(0), Address.of(RDX));
      a.vaddps(zmm(1).zeroing(Mask.K2), zmm(1), Address.of(RDX, LINE));
      a.add(RDX, RCX);
    }
    if (variant.rounded()) {
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
      a.vmovdqu16(Address.of(R10).merging(Mask.K3), zmm(0));
    } else {
      a.vmovups(Address.of(R10).merging(Mask.K1), zmm(0));
      a.vmovups(Address.of(R10, LINE).merging(Mask.K2), zmm(1));
    }
    a.add(R8, R9);
    a.add(R10, R11);
    a.dec(RSI);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
  }
}
