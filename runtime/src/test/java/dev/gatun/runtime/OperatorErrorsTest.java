package dev.gatun.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.gatun.runtime.TestBackends.Choice;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A refused call says operator, operand, expected and found, and writes nothing. */
class OperatorErrorsTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";
  private static final float UNTOUCHED = 42;

  /** Operands of every operator that fit each other, and an {@code out} that must stay as it is. */
  private static final class Bench implements AutoCloseable {
    final Backend backend;
    final TestTensors tensors = new TestTensors();
    final Tensor x = tensors.random(2, 3, 4);
    final Tensor out = tensors.random(2, 3, 4);
    final Weight weight;
    final AttentionSpec spec = AttentionSpec.of(2, 2);

    Bench(Choice choice) {
      backend = choice.open();
      weight = backend.pack(tensors.random(4, 4));
      for (int i = 0; i < out.shape().size(); i++) {
        out.setFloat(i, UNTOUCHED);
      }
    }

    void refused(String message, Executable call) {
      refused(IllegalArgumentException.class, message, call);
    }

    void refused(Class<? extends Throwable> type, String message, Executable call) {
      assertEquals(message, assertThrows(type, call).getMessage());
      for (int i = 0; i < out.shape().size(); i++) {
        assertEquals(UNTOUCHED, out.getFloat(i), message + ", but element " + i + " was written");
      }
    }

    void linear(Tensor x, Epilogue epilogue, Tensor gate, Tensor residual) {
      backend.linear(x, weight, epilogue, gate, residual, out);
    }

    void norm(Tensor gamma, Tensor beta, Tensor shift, Tensor scale) {
      backend.layerNorm(x, gamma, beta, shift, scale, 1e-5f, out);
    }

    @Override
    public void close() {
      weight.close();
      tensors.close();
      backend.close();
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void shapesOfDenseOperators(Choice choice) {
    try (var b = new Bench(choice)) {
      var t = b.tensors;
      b.refused(
          "linear: x is [6, 3], expected [6, 4]",
          () -> b.linear(t.random(6, 3), Epilogue.NONE, null, null));
      b.refused(
          "linear: out is [2, 3, 4], expected [5, 4]",
          () -> b.linear(t.random(5, 4), Epilogue.NONE, null, null));
      b.refused(
          "linear: bias is [1, 4], expected [4]",
          () -> b.linear(b.x, Epilogue.bias(t.random(1, 4)), null, null));
      b.refused(
          "linear: gate is [4, 4], expected [a divisor of 6, 4]",
          () -> b.linear(b.x, Epilogue.NONE, t.random(4, 4), null));
      b.refused(
          "linear: residual is [3, 5], expected [a divisor of 6, 4]",
          () -> b.linear(b.x, Epilogue.NONE, null, t.random(3, 5)));
      b.refused(
          "layerNorm: gamma is [3], expected [4]",
          () -> b.norm(t.random(3), t.random(4), null, null));
      b.refused("layerNorm: beta is missing", () -> b.norm(t.random(4), null, null, null));
      b.refused("layerNorm: gamma is missing", () -> b.norm(null, t.random(4), null, null));
      b.refused("layerNorm: scale is missing", () -> b.norm(null, null, t.random(2, 4), null));
      b.refused("layerNorm: shift is missing", () -> b.norm(null, null, null, t.random(2, 4)));
      b.refused(
          "layerNorm: scale is [3, 4], expected [2, 4]",
          () -> b.norm(null, null, t.random(2, 4), t.random(3, 4)));
      b.refused(
          "layerNorm: eps is -1.0, expected at least 0",
          () -> b.backend.layerNorm(b.x, null, null, null, null, -1, b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void shapesOfAttention(Choice choice) {
    try (var b = new Bench(choice)) {
      var kv = b.tensors.random(2, 5, 4);
      b.refused(
          "attention: q is [6, 4], expected 3 axes",
          () -> b.backend.attention(b.tensors.random(6, 4), kv, kv, b.spec, b.out));
      b.refused(
          "attention: q is [2, 3, 4], expected a last extent that 3 heads divide",
          () -> b.backend.attention(b.x, kv, kv, AttentionSpec.of(3, 1), b.out));
      b.refused(
          "attention: k is [1, 5, 4], expected [2, Lk, 4]",
          () -> b.backend.attention(b.x, kv.slice(0, 1), kv, b.spec, b.out));
      b.refused(
          "attention: v is [2, 6, 4], expected [2, 5, 4]",
          () -> b.backend.attention(b.x, kv, b.tensors.random(2, 6, 4), b.spec, b.out));
      b.refused(
          "attention: out is [2, 3, 4], expected [2, 5, 4]",
          () -> b.backend.attention(kv, kv, kv, b.spec, b.out));
      var none = b.tensors.random(2, 0, 4);
      b.refused(
          "attention: k is [2, 0, 4], expected at least one key for the queries [2, 3, 4]",
          () -> b.backend.attention(b.x, none, none, b.spec, b.out));
      b.refused("attention: spec is missing", () -> b.backend.attention(b.x, kv, kv, null, b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void shapesOfPointwiseOperators(Choice choice) {
    try (var b = new Bench(choice)) {
      var other = b.tensors.random(3, 2, 4);
      b.refused(
          "activate: x is [3, 2, 4], expected [2, 3, 4]",
          () -> b.backend.activate(Activation.SILU, other, b.out));
      b.refused("activate: activation is missing", () -> b.backend.activate(null, b.x, b.out));
      b.refused(
          "multiplyAdd: z is [3, 2, 4], expected [2, 3, 4]",
          () -> b.backend.multiplyAdd(b.x, b.x, other, b.out));
      b.refused(
          "combine: y is [3, 2, 4], expected [2, 3, 4]",
          () -> b.backend.combine(1, b.x, 1, other, b.out));
      b.refused(
          "clamp: x is [3, 2, 4], expected [2, 3, 4]", () -> b.backend.clamp(other, 0, 1, b.out));
      b.refused(
          "clamp: low is NaN and high 1.0, expected numbers",
          () -> b.backend.clamp(b.x, Double.NaN, 1, b.out));
      b.refused("exp: x is [3, 2, 4], expected [2, 3, 4]", () -> b.backend.exp(1, other, 0, b.out));
      b.refused(
          "add: y is [4, 4], expected [a divisor of 6, 4]",
          () -> b.backend.add(b.x, b.tensors.random(4, 4), b.out));
      b.refused(
          "add: y is [0, 4], expected [a divisor of 6, 4]",
          () -> b.backend.add(b.x, b.tensors.random(0, 4), b.out));
      b.refused(
          "add: out is [2, 3, 4], expected [4, 4]",
          () -> b.backend.add(b.tensors.random(4, 4), b.tensors.random(4, 4), b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void shapesOfMovementAndEmbedding(Choice choice) {
    try (var b = new Bench(choice)) {
      var t = b.tensors;
      var image = t.random(1, 4, 6, 2);
      b.refused(
          "copy: to is [2, 3, 4], expected [5, 4]", () -> b.backend.copy(t.random(5, 4), b.out));
      b.refused(
          "toChannelsLast: out is [2, 3, 4], expected [1, 6, 2, 4]",
          () -> b.backend.toChannelsLast(image, b.out));
      b.refused(
          "toChannelsFirst: nhwc is [2, 3, 4], expected 4 axes",
          () -> b.backend.toChannelsFirst(b.x, b.out));
      b.refused(
          "patchify: patch is 0, expected at least 1", () -> b.backend.patchify(image, 0, b.out));
      b.refused(
          "patchify: x is [1, 4, 6, 2], expected [N, H, W, C] with H and W divisible by 4",
          () -> b.backend.patchify(image, 4, b.out));
      b.refused(
          "patchify: out is [2, 3, 4], expected [1, 6, 8]",
          () -> b.backend.patchify(image, 2, b.out));
      b.refused(
          "unpatchify: x is [2, 3, 4], expected [1, 6, 8]",
          () -> b.backend.unpatchify(b.x, 2, image));
      b.refused(
          "embed: out is [2, 3, 4], expected [2, 5]",
          () -> b.backend.embed(t.random(7, 5), t.of(Shape.of(2), 0L, 1L), b.out));
      b.refused(
          "embed: ids is F32, expected I64",
          () -> b.backend.embed(t.random(7, 4), t.random(6), b.out));
      b.refused(
          "timestepEmbedding: out is [2, 3, 4], expected [5, 4]",
          () -> b.backend.timestepEmbedding(t.random(5), 10000, b.out));
      b.refused(
          "timestepEmbedding: maxPeriod is 0.0, expected a positive number",
          () -> b.backend.timestepEmbedding(t.random(6), 0, b.out));
      b.refused("pack: matrix is [2, 3, 4], expected 2 axes", () -> b.backend.pack(b.x).close());
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void types(Choice choice) {
    try (var b = new Bench(choice)) {
      var halves = b.tensors.allocate(DType.F16, 2, 3, 4);
      var bytes = b.tensors.allocate(DType.U8, 2, 3, 4);
      var ids = b.tensors.allocate(DType.I64, 2, 3, 4);
      b.refused(
          "linear: x is F16, expected F32", () -> b.linear(halves, Epilogue.NONE, null, null));
      b.refused(
          "activate: out is F16, expected F32",
          () -> b.backend.activate(Activation.SILU, b.x, halves));
      b.refused(
          "attention: v is F16, expected F32",
          () -> b.backend.attention(b.x, b.x, halves, b.spec, b.out));
      b.refused(
          "copy: from is U8, expected F32, F16, BF16 or I64", () -> b.backend.copy(bytes, b.out));
      b.refused("copy: to is F32, expected I64", () -> b.backend.copy(ids, b.out));
      b.refused("copy: to is I64, expected F32, F16 or BF16", () -> b.backend.copy(b.x, ids));
      b.refused(
          "pack: matrix is I64, expected F32, F16 or BF16",
          () -> b.backend.pack(b.tensors.allocate(DType.I64, 4, 4)).close());
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void closedMissingOrElsewhere(Choice choice) {
    try (var b = new Bench(choice);
        var arena = Arena.ofConfined()) {
      var closed = b.tensors.random(2, 3, 4);
      closed.close();
      b.refused(
          IllegalStateException.class,
          "add: y (F32 [2, 3, 4] on cpu) is closed",
          () -> b.backend.add(b.x, closed, b.out));
      b.refused(
          IllegalStateException.class,
          "copy: from (F32 [2, 3, 4] on cpu) is closed",
          () -> b.backend.copy(closed, b.out));
      b.refused(
          IllegalStateException.class,
          "linear: gate (F32 [6, 4] on cpu) is closed",
          () -> b.linear(b.x, Epilogue.NONE, closed.reshape(Shape.of(6, 4)), null));
      b.refused("add: x is missing", () -> b.backend.add(null, b.x, b.out));
      b.refused("linear: epilogue is missing", () -> b.linear(b.x, null, null, null));
      b.refused(
          "linear: weight is missing", () -> b.backend.linear(b.x, null, Epilogue.NONE, b.out));
      var far =
          Tensor.wrap(
              new Device(Device.Kind.CUDA, 1), DType.F32, Shape.of(2, 3, 4), arena.allocate(96));
      b.refused("exp: x is on cuda:1, expected on cpu", () -> b.backend.exp(1, far, 0, b.out));
      b.refused("copy: from is on cuda:1, expected on cpu", () -> b.backend.copy(far, b.out));
    }
  }

  /** A weight that no backend has packed. */
  private record Stranger(int out, int in) implements Weight {
    @Override
    public void close() {}
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void weightOfAnotherBackendOrClosed(Choice choice) {
    try (var b = new Bench(choice)) {
      b.refused(
          "linear: weight is a Stranger, expected one packed by the " + choice.name() + " backend",
          () -> b.backend.linear(b.x, new Stranger(4, 4), Epilogue.NONE, b.out));
      var closed = b.backend.pack(b.tensors.random(4, 4));
      closed.close();
      closed.close();
      b.refused(
          IllegalStateException.class,
          "linear: weight [4, 4] is closed",
          () -> b.backend.linear(b.x, closed, Epilogue.NONE, b.out));
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void overlap(Choice choice) {
    try (var b = new Bench(choice)) {
      var own = "expected memory of its own";
      b.refused(
          "linear: out (F32 [2, 3, 4] on cpu) overlaps x (F32 [2, 3, 4] on cpu) in memory, " + own,
          () -> b.linear(b.out, Epilogue.NONE, null, null));
      b.refused(
          "attention: out (F32 [2, 3, 4] on cpu) overlaps v (F32 [2, 3, 4] on cpu) in memory, "
              + own,
          () -> b.backend.attention(b.x, b.x, b.out, b.spec, b.out));
      b.refused(
          "copy: out (F32 [2, 3, 4] on cpu) overlaps from (F32 [2, 3, 4] on cpu) in memory, " + own,
          () -> b.backend.copy(b.out, b.out));
      b.refused(
          "linear: out (F32 [2, 3, 4] on cpu) overlaps bias (F32 [4] on cpu) in memory, " + own,
          () ->
              b.linear(
                  b.x,
                  Epilogue.bias(
                      b.out.slice(1, 2).reshape(Shape.of(3, 4)).slice(0, 1).reshape(Shape.of(4))),
                  null,
                  null));
      var sameOrOwn = "expected the very same tensor or memory of its own";
      b.refused(
          "add: out (F32 [2, 3, 4] on cpu) overlaps a part of y (F32 [1, 3, 4] on cpu) in memory, "
              + sameOrOwn,
          () -> b.backend.add(b.x, b.out.slice(1, 2), b.out));
      b.refused(
          "linear: out (F32 [2, 3, 4] on cpu) overlaps a part of residual (F32 [1, 3, 4] on cpu) in"
              + " memory, "
              + sameOrOwn,
          () -> b.linear(b.x, Epilogue.NONE, null, b.out.slice(0, 1)));
      // One element further on in the same memory.
      var long25 = b.tensors.random(25);
      var first = Tensor.wrap(Device.CPU, DType.F32, b.x.shape(), long25.segment().asSlice(0, 96));
      var second = Tensor.wrap(Device.CPU, DType.F32, b.x.shape(), long25.segment().asSlice(4));
      b.refused(
          "exp: out (F32 [2, 3, 4] on cpu) overlaps a part of x (F32 [2, 3, 4] on cpu) in memory, "
              + sameOrOwn,
          () -> b.backend.exp(1, first, 0, second));
    }
  }
}
