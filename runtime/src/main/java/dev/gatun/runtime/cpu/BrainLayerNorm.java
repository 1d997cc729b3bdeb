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

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Mask;
import dev.gatun.runtime.cpu.asm.Zmm;

/**
 * Layer normalisation in machine code, {@code out = (x − μ)/√(σ² + eps)·f + o}: sums and variance
 * (of the differences from the mean, as exact as two passes are) in f32, the result in f32 or
 * rounded to bf16 for the product that reads it.
 *
 * <p>{@code f} and {@code o} are the affine's gamma and beta, or of a sample's modulation {@code 1
 * + scale} and {@code shift}; with both {@code gamma·(1 + scale)} and {@code beta·(1 + scale) +
 * shift}.
 *
 * <p>A row stays in the first-level cache while it is read three times, and its result depends on
 * nothing else.
 */
final class BrainLayerNorm implements ThreadTeam.Work, AutoCloseable {
  private static final int LINE = 64;
  private static final int LANES = 16;
  private static final int PAIR = 2 * LINE;
  private static final int PAIR_FLOATS = PAIR / Float.BYTES;

  /** Rows of a unit of work. */
  private static final int ROWS = 32;

  /** Numbers of a call that takes some 20 µs. */
  private static final int OF_A_CALL = 1 << 15;

  /** Assembled when it is first needed. */
  private static final class Code {
    private static final Assembled F32 = Assembled.of(code(false));
    private static final Assembled BF16 = Assembled.of(code(true));
  }

  /** What one worker needs. */
  private record Buffers(Arguments arguments, NativeBuffer factors, NativeBuffer zeros)
      implements AutoCloseable {
    @Override
    public void close() {
      arguments.close();
      factors.close();
      zeros.close();
    }
  }

  private final ThreadTeam team;
  private final Buffers[] buffers;

  // The call that is running.
  private Tensor x;
  private Tensor gamma;
  private Tensor beta;
  private Tensor shift;
  private Tensor scale;
  private Tensor out;
  private float eps;
  private int rows;
  private int columns;
  private int rowsPerSample;

  BrainLayerNorm(ThreadTeam team) {
    this.team = team;
    buffers = new Buffers[team.size()];
    for (int i = 0; i < buffers.length; i++) {
      buffers[i] = new Buffers(new Arguments(), new NativeBuffer(), new NativeBuffer());
    }
  }

  void layerNorm(
      Tensor x, Tensor gamma, Tensor beta, Tensor shift, Tensor scale, float eps, Tensor out) {
    this.x = x;
    this.gamma = gamma;
    this.beta = beta;
    this.shift = shift;
    this.scale = scale;
    this.eps = eps;
    this.out = out;
    rows = Math.toIntExact(x.shape().rows());
    columns = x.shape().cols();
    if (rows == 0 || columns == 0) {
      return;
    }
    rowsPerSample = shift == null ? rows : rows / Math.toIntExact(shift.shape().rows());
    team.run(this);
  }

  @Override
  public void run(int worker, int workers) {
    int units = Math.ceilDiv(rows, ROWS);
    int prepared = -1; // the sample whose factors are made
    for (int unit; (unit = team.take()) < units; ) {
      int last = Math.min(rows, (unit + 1) * ROWS);
      for (int row = unit * ROWS, end; row < last; row = end) {
        int sample = row / rowsPerSample;
        end = Math.min(last, (sample + 1) * rowsPerSample);
        if (sample != prepared) {
          prepare(buffers[worker], sample);
          prepared = sample;
        }
        normalise(buffers[worker].arguments(), row, end - row);
      }
    }
  }

  /** Finds the factors and the offsets of a sample, or makes them of several. */
  private void prepare(Buffers buffers, int sample) {
    if (gamma != null && shift == null) {
      set(buffers, gamma.address(), beta.address(), 0);
    } else if (gamma == null && shift != null) {
      long scales = scale.address() + (long) sample * scale.rowStride() * Float.BYTES;
      long shifts = shift.address() + (long) sample * shift.rowStride() * Float.BYTES;
      set(buffers, scales, shifts, 1);
    } else if (gamma != null) {
      make(buffers, sample);
    } else {
      long zeros = buffers.zeros().atLeast(columns * (long) Float.BYTES); // nobody writes to them
      set(buffers, zeros, zeros, 1);
    }
  }

  /** With both an affine and a modulation. */
  private void make(Buffers buffers, int sample) {
    long bytes = columns * (long) Float.BYTES;
    long at = buffers.factors().atLeast(2 * bytes);
    var made = buffers.factors().segment();
    for (int i = 0; i < columns; i++) {
      long element = (long) sample * columns + i;
      float plusOne = 1 + scale.getFloat(element);
      float f = gamma.getFloat(i) * plusOne;
      float o = Math.fma(beta.getFloat(i), plusOne, shift.getFloat(element));
      made.set(Tensor.FLOAT, i * (long) Float.BYTES, f);
      made.set(Tensor.FLOAT, bytes + i * (long) Float.BYTES, o);
    }
    set(buffers, at, at + bytes, 0);
  }

  /**
   * @param plus is added to each factor
   */
  private static void set(Buffers buffers, long factors, long offsets, float plus) {
    buffers.arguments().set(8, factors).set(9, offsets).set(12, Float.floatToRawIntBits(plus));
  }

  /** Rows of the sample that is prepared. */
  private void normalise(Arguments a, int row, int count) {
    var code = out.dtype() == DType.BF16 ? Code.BF16 : Code.F32;
    int whole = (columns - 1) / PAIR_FLOATS;
    long mask = (1L << columns - whole * PAIR_FLOATS) - 1;
    long xStride = (long) x.rowStride() * Float.BYTES;
    long outStride = (long) out.rowStride() * out.dtype().bytes();
    int most = Math.max(1, OF_A_CALL / columns);
    a.set(1, xStride).set(3, outStride).set(5, whole).set(6, mask).set(7, mask >>> LANES);
    a.set(10, Float.floatToRawIntBits(columns)).set(11, Float.floatToRawIntBits(eps));
    for (int r = row; r < row + count; r += most) {
      a.set(0, x.address() + r * xStride).set(2, out.address() + r * outStride);
      code.call(a.set(4, Math.min(most, row + count - r)));
    }
  }

  // Registers that stay, besides those of LaneFold.
  private static final Zmm PLUS = zmm(24);
  private static final Zmm ONE = zmm(27);
  private static final Zmm COUNT = zmm(28);
  private static final Zmm EPS = zmm(29);

  // Of a row.
  private static final Zmm MEAN = zmm(30);
  private static final Zmm INVERSE = zmm(31);

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  private static byte[] code(boolean rounded) {
    var a = new Assembler();
    var lanes = new LaneFold(a);
    var one = a.label();
    var rows = a.label();
    // R8 x, R10 result, RCX whole pairs, RSI factors, R9 from them to the offsets
    a.mov(RAX, argument(6));
    a.kmovw(Mask.K1, RAX);
    a.kmovd(Mask.K3, RAX);
    a.mov(RAX, argument(7));
    a.kmovw(Mask.K2, RAX);
    a.mov(R8, argument(0));
    a.mov(R10, argument(2));
    a.mov(RSI, argument(8));
    a.mov(R9, argument(9));
    a.sub(R9, RSI);
    a.mov(RCX, argument(5));
    broadcast(a, COUNT, argument(10));
    broadcast(a, EPS, argument(11));
    broadcast(a, PLUS, argument(12));
    a.vbroadcastss(ONE, Address.of(one));
    lanes.load();
    a.bind(rows);
    mean(a, lanes);
    inverse(a, lanes);
    result(a, rounded);
    a.add(R8, argument(1));
    a.add(R10, argument(3));
    a.mov(R11, argument(4));
    a.dec(R11);
    a.mov(argument(4), R11);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
    lanes.place();
    a.bind(one);
    a.data(1f);
    return a.code();
  }

  private static void broadcast(Assembler a, Zmm register, Address argument) {
    a.mov(RAX, argument);
    a.vpbroadcastd(register, RAX);
  }

  private interface Pair {
    /** What is done with x in zmm 0 and 1. */
    void emit(boolean last);
  }

  /** Goes through the pairs of vectors of a row; what is beyond the last number is 0. */
  private static void pairs(Assembler a, Pair pair) {
    var again = a.label();
    var last = a.label();
    a.mov(RAX, R8);
    a.mov(R11, RCX);
    a.test(R11, R11);
    a.j(Condition.EQUAL, last);
    a.bind(again);
    a.vmovups(zmm(0), Address.of(RAX));
    a.vmovups(zmm(1), Address.of(RAX, LINE));
    pair.emit(false);
    a.add(RAX, PAIR);
    a.dec(R11);
    a.j(Condition.NOT_EQUAL, again);
    a.bind(last);
    a.vmovups(zmm(0).zeroing(Mask.K1), Address.of(RAX));
    a.vmovups(zmm(1).zeroing(Mask.K2), Address.of(RAX, LINE));
    pair.emit(true);
  }

  private static void mean(Assembler a, LaneFold lanes) {
    a.vpxord(MEAN, MEAN, MEAN);
    a.vpxord(zmm(2), zmm(2), zmm(2));
    pairs(
        a,
        last -> {
          a.vaddps(MEAN, MEAN, zmm(0));
          a.vaddps(zmm(2), zmm(2), zmm(1));
        });
    a.vaddps(MEAN, MEAN, zmm(2));
    lanes.fold(MEAN, zmm(2), a::vaddps);
    a.vdivps(MEAN, MEAN, COUNT);
  }

  /** {@code 1/√(σ² + eps)}. */
  private static void inverse(Assembler a, LaneFold lanes) {
    a.vpxord(INVERSE, INVERSE, INVERSE);
    a.vpxord(zmm(2), zmm(2), zmm(2));
    pairs(
        a,
        last -> {
          a.vsubps(last ? zmm(0).zeroing(Mask.K1) : zmm(0), zmm(0), MEAN);
          a.vsubps(last ? zmm(1).zeroing(Mask.K2) : zmm(1), zmm(1), MEAN);
          a.vfmadd231ps(INVERSE, zmm(0), zmm(0));
          a.vfmadd231ps(zmm(2), zmm(1), zmm(1));
        });
    a.vaddps(INVERSE, INVERSE, zmm(2));
    lanes.fold(INVERSE, zmm(2), a::vaddps);
    a.vdivps(INVERSE, INVERSE, COUNT);
    a.vaddps(INVERSE, INVERSE, EPS);
    a.vsqrtps(INVERSE, INVERSE);
    a.vdivps(INVERSE, ONE, INVERSE);
  }

  private static void result(Assembler a, boolean rounded) {
    a.mov(RDX, R10);
    pairs(
        a,
        last -> {
          a.vsubps(zmm(0), zmm(0), MEAN);
          a.vsubps(zmm(1), zmm(1), MEAN);
          a.vmulps(zmm(0), zmm(0), INVERSE);
          a.vmulps(zmm(1), zmm(1), INVERSE);
          factors(a, last);
          a.vfmadd213ps(zmm(0), zmm(2), zmm(4));
          a.vfmadd213ps(zmm(1), zmm(3), zmm(5));
          store(a, rounded, last);
        });
    a.mov(RSI, argument(8));
  }

  /** Factors into zmm 2 and 3, offsets into 4 and 5. */
  private static void factors(Assembler a, boolean last) {
    for (int i = 0; i < 2; i++) {
      var mask = i == 0 ? Mask.K1 : Mask.K2;
      var factor = last ? zmm(2 + i).zeroing(mask) : zmm(2 + i);
      var offset = last ? zmm(4 + i).zeroing(mask) : zmm(4 + i);
      a.vaddps(factor, PLUS, Address.of(RSI, i * LINE));
      a.vmovups(offset, Address.at(RSI, R9, 1, i * LINE));
    }
    a.add(RSI, PAIR);
  }

  private static void store(Assembler a, boolean rounded, boolean last) {
    if (rounded) {
      a.vcvtne2ps2bf16(zmm(0), zmm(1), zmm(0));
      var to = Address.of(RDX);
      a.vmovdqu16(last ? to.merging(Mask.K3) : to, zmm(0));
      a.add(RDX, LINE);
    } else {
      for (int i = 0; i < 2; i++) {
        var to = Address.of(RDX, i * LINE);
        a.vmovups(last ? to.merging(i == 0 ? Mask.K1 : Mask.K2) : to, zmm(i));
      }
      a.add(RDX, PAIR);
    }
  }

  @Override
  public void close() {
    for (var each : buffers) {
      each.close();
    }
  }
}
