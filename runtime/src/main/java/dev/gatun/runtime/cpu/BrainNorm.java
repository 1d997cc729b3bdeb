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
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.cpu.asm.Address;
import dev.gatun.runtime.cpu.asm.Assembler;
import dev.gatun.runtime.cpu.asm.Condition;
import dev.gatun.runtime.cpu.asm.Mask;
import java.lang.foreign.MemorySegment;

/**
 * The second half of a normalisation by groups in machine code, {@code out = activation((x − m)·f +
 * o)} with three numbers for each channel: one pass from memory to memory.
 */
final class BrainNorm implements AutoCloseable {
  private static final int LINE = 64;
  private static final int PAIR = 2 * LINE;
  private static final int PAIR_FLOATS = PAIR / Float.BYTES;

  /** Numbers of a call that takes some 20 µs. */
  private static final int OF_A_CALL = 1 << 15;

  /** Assembled when it is first needed, for each activation. */
  private static final class Code {
    private static final Assembled[] NORMALISE = all();

    private static Assembled[] all() {
      var a = new Assembler();
      var constants = new ActivationCode(a);
      var activations = Activation.values();
      int[] offsets = new int[activations.length];
      for (int i = 0; i < offsets.length; i++) {
        a.align(LINE);
        offsets[i] = a.size();
        emit(a, constants, activations[i]);
      }
      constants.place();
      var memory = ExecutableMemory.of(a.code());
      var functions = new Assembled[offsets.length];
      for (int i = 0; i < offsets.length; i++) {
        functions[i] = Assembled.at(memory, offsets[i]);
      }
      return functions;
    }
  }

  private final Arguments arguments = new Arguments();
  private final NativeBuffer numbers = new NativeBuffer();
  private int padded;

  /**
   * Takes the numbers of the channels of a sample.
   *
   * @param from index of the first in each array
   * @param channels how many; there are some more up to whole vectors
   */
  void set(float[] centers, float[] factors, float[] offsets, int from, int channels) {
    padded = Math.ceilDiv(channels, PAIR_FLOATS) * PAIR_FLOATS;
    numbers.atLeast(3L * padded * Float.BYTES);
    var to = numbers.segment();
    MemorySegment.copy(centers, from, to, Tensor.FLOAT, 0, channels);
    MemorySegment.copy(factors, from, to, Tensor.FLOAT, (long) padded * Float.BYTES, channels);
    MemorySegment.copy(offsets, from, to, Tensor.FLOAT, 2L * padded * Float.BYTES, channels);
  }

  /** Rows of one sample. */
  void normalise(Activation activation, Tensor x, Tensor out, int row, int count) {
    int channels = x.shape().cols();
    int whole = (channels - 1) / PAIR_FLOATS;
    long mask = (1L << channels - whole * PAIR_FLOATS) - 1;
    long xStride = (long) x.rowStride() * Float.BYTES;
    long outStride = (long) out.rowStride() * Float.BYTES;
    int most = Math.max(1, OF_A_CALL / channels);
    for (int r = row; r < row + count; r += most) {
      arguments.set(0, x.address() + r * xStride).set(1, xStride);
      arguments.set(2, out.address() + r * outStride).set(3, outStride);
      arguments.set(4, Math.min(most, row + count - r)).set(5, whole);
      arguments.set(6, mask & 0xFFFF).set(7, mask >>> 16);
      arguments.set(8, numbers.atLeast(0)).set(9, (long) padded * Float.BYTES);
      Code.NORMALISE[activation.ordinal()].call(arguments);
    }
  }

  private static Address argument(int index) {
    return Address.of(RDI, index * Long.BYTES);
  }

  private static void emit(Assembler a, ActivationCode constants, Activation activation) {
    var rows = a.label();
    var pairs = a.label();
    var last = a.label();
    a.mov(RAX, argument(6));
    a.kmovw(Mask.K1, RAX);
    a.mov(RAX, argument(7));
    a.kmovw(Mask.K2, RAX);
    a.mov(R8, argument(0));
    a.mov(R10, argument(2));
    a.mov(R9, argument(9));
    a.bind(rows);
    a.mov(RAX, R8);
    a.mov(RDX, R10);
    a.mov(RSI, argument(8));
    a.mov(RCX, argument(5));
    a.test(RCX, RCX);
    a.j(Condition.EQUAL, last);
    a.bind(pairs);
    a.vmovups(zmm(0), Address.of(RAX));
    a.vmovups(zmm(1), Address.of(RAX, LINE));
    normalise(a, constants, activation);
    a.vmovups(Address.of(RDX), zmm(0));
    a.vmovups(Address.of(RDX, LINE), zmm(1));
    a.add(RAX, PAIR);
    a.add(RDX, PAIR);
    a.add(RSI, PAIR);
    a.dec(RCX);
    a.j(Condition.NOT_EQUAL, pairs);
    a.bind(last);
    a.vmovups(zmm(0).zeroing(Mask.K1), Address.of(RAX));
    a.vmovups(zmm(1).zeroing(Mask.K2), Address.of(RAX, LINE));
    normalise(a, constants, activation);
    a.vmovups(Address.of(RDX).merging(Mask.K1), zmm(0));
    a.vmovups(Address.of(RDX, LINE).merging(Mask.K2), zmm(1));
    a.add(R8, argument(1));
    a.add(R10, argument(3));
    a.mov(R11, argument(4));
    a.dec(R11);
    a.mov(argument(4), R11);
    a.j(Condition.NOT_EQUAL, rows);
    a.vzeroupper();
    a.ret();
  }

  private static void normalise(Assembler a, ActivationCode constants, Activation activation) {
    a.vsubps(zmm(0), zmm(0), Address.of(RSI));
    a.vsubps(zmm(1), zmm(1), Address.of(RSI, LINE));
    a.vmovups(zmm(2), Address.at(RSI, R9, 1));
    a.vmovups(zmm(3), Address.at(RSI, R9, 1, LINE));
    a.vfmadd213ps(zmm(0), zmm(2), Address.at(RSI, R9, 2));
    a.vfmadd213ps(zmm(1), zmm(3), Address.at(RSI, R9, 2, LINE));
    constants.activate(activation, zmm(0), zmm(1));
  }

  @Override
  public void close() {
    arguments.close();
    numbers.close();
  }
}
