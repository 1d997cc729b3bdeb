package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.runtime.TestBackends.Choice;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The gradient of what a recorder has seen, held against finite differences of the same. */
class RecordingBackendTest {
  private static final String BACKENDS = "dev.gatun.runtime.TestBackends#all";
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";
  private static final int N = SmallUNet.N;

  /** A recorder with a network and its operands, all closed together. */
  private static final class Setup implements AutoCloseable {
    final TestTensors tensors = new TestTensors();
    final RecordingBackend recorder;
    final SmallUNet net;
    final Workspace workspace;
    final Tensor x = tensors.random(N, 4, 4, 3);
    final Tensor t = tensors.of(Shape.of(N), 3f, 700f);
    final Tensor dy = tensors.random(N, SmallUNet.CLASSES);
    final Tensor dx = tensors.out(N, 4, 4, 3);
    final Tensor y;

    Setup(Backend backend) {
      recorder = new RecordingBackend(backend);
      net = new SmallUNet(recorder, tensors);
      workspace = recorder.workspace();
      y = recorder.allocate(DType.F32, Shape.of(N, SmallUNet.CLASSES));
    }

    void pass() {
      recorder.watch(x);
      net.forward(recorder, workspace, x, t, y);
      recorder.backward(y, dy);
      recorder.gradient(x, dx);
      recorder.clear();
    }

    Tensor gradient() {
      var copy = tensors.out(N, 4, 4, 3);
      recorder.copy(dx, copy);
      return copy;
    }

    @Override
    public void close() {
      y.close();
      workspace.close();
      net.close();
      recorder.close();
      tensors.close();
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void gradientOfANetwork(Choice choice) {
    try (var backend = choice.open();
        var setup = new Setup(backend);
        var plain = backend.workspace()) {
      setup.pass();
      Differences.assertGradient(
          "gradient of a network, " + choice,
          out -> setup.net.forward(backend, plain, setup.x, setup.t, out),
          setup.x,
          setup.dy,
          setup.dx,
          2e-3);
      // The result itself is that of the backend, but for the layers whose activation is kept
      // apart.
      var y = setup.tensors.out(N, SmallUNet.CLASSES);
      setup.net.forward(backend, plain, setup.x, setup.t, y);
      assertClose("recorded result, " + choice, y, setup.y, 1e-5);
    }
  }

  @ParameterizedTest
  @MethodSource(BACKENDS)
  void everyPassHasTheSameBits(Choice choice) {
    try (var backend = choice.open();
        var setup = new Setup(backend)) {
      setup.pass();
      var first = setup.gradient();
      setup.pass();
      assertSameBits("second pass, " + choice, first, setup.dx);
      // Neither a result that is no number nor an abandoned recording leaves anything behind.
      setup.recorder.watch(setup.x);
      setup.net.forward(setup.recorder, setup.workspace, setup.x, setup.t, setup.y);
      var nan = setup.tensors.out(N, SmallUNet.CLASSES);
      setup.recorder.backward(setup.y, nan);
      setup.recorder.gradient(setup.x, setup.dx);
      assertTrue(Float.isNaN(setup.dx.getFloat(0)), "the gradient of NaN is NaN");
      setup.recorder.backward(setup.y, setup.dy);
      setup.recorder.gradient(setup.x, setup.dx);
      assertSameBits("backward again, " + choice, first, setup.dx);
      setup.recorder.clear();
      setup.recorder.watch(setup.t);
      setup.recorder.watch(setup.x);
      setup.recorder.conv2d(
          setup.x,
          setup.recorder.packKernel(setup.tensors.random(3, 3, 3, 3)),
          Conv2dSpec.same(3),
          Epilogue.NONE,
          setup.workspace.take(N, 4, 4, 3));
      setup.recorder.clear();
      setup.workspace.release(0);
      setup.pass();
      assertSameBits("pass after an abandoned one, " + choice, first, setup.dx);
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void theSecondPassAllocatesNothing(String name) {
    var allocations = new AtomicInteger();
    try (var backend = TestBackends.open(name, 2);
        var setup = new Setup(counting(backend, allocations))) {
      setup.pass();
      int first = allocations.get();
      assertTrue(first > 0, "the first pass allocates");
      for (int i = 0; i < 3; i++) {
        setup.pass();
      }
      assertEquals(first, allocations.get(), "allocations after the first pass, " + name);
    }
  }

  /** On the reference, because kernels with vectors allocate until they are compiled. */
  @Test
  void aPassAllocatesNothingOnTheHeap() {
    try (var backend = TestBackends.reference();
        var setup = new Setup(backend)) {
      long least = Long.MAX_VALUE;
      for (int i = 0; i < 200; i++) {
        long before = Allocated.bytes();
        setup.pass();
        least = Math.min(least, Allocated.bytes() - before);
      }
      assertTrue(least < 500, "a pass allocates " + least + " bytes on the heap");
    }
  }

  private static Backend counting(Backend backend, AtomicInteger allocations) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("workspace")) {
                return new Workspace((Backend) proxy);
              }
              if (method.getName().equals("allocate")) {
                allocations.incrementAndGet();
              }
              try {
                return method.invoke(backend, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** An operator on x and on another tensor, in memory of the recorder. */
  private interface Operator {
    void compute(Backend backend, Tensor x, Tensor other, Tensor out);
  }

  /** Each combination of operands that are the same tensor, and results in place. */
  @ParameterizedTest
  @MethodSource(NAMES)
  void aliases(String name) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1);
        var weight = backend.pack(tensors.random(6, 6))) {
      var factor = tensors.random(4, 6);
      check(name, "x + x", (b, x, o, out) -> b.add(x, x, out));
      check(name, "x += x", (b, x, o, out) -> inPlace(b, x, o, out, () -> b.add(o, o, o)));
      check(name, "x += 1", (b, x, o, out) -> inPlace(b, x, o, out, () -> b.add(factor, o, o)));
      check(
          name,
          "x = 2x - 3x",
          (b, x, o, out) -> inPlace(b, x, o, out, () -> b.combine(2, o, -3, o, o)));
      check(name, "2x", (b, x, o, out) -> b.combine(2, x, 0, null, out));
      check(
          name,
          "x = f·x + x",
          (b, x, o, out) -> inPlace(b, x, o, out, () -> b.multiplyAdd(factor, o, o, o)));
      check(
          name,
          "x = f·f + x",
          (b, x, o, out) -> inPlace(b, x, o, out, () -> b.multiplyAdd(factor, factor, o, o)));
      check(name, "x·f + f", (b, x, o, out) -> b.multiplyAdd(x, factor, factor, out));
      check(
          name,
          "silu in place",
          (b, x, o, out) -> inPlace(b, x, o, out, () -> b.activate(Activation.SILU, o, o)));
      check(
          name,
          "x = x + gelu(x·W)",
          (b, x, o, out) -> {
            b.linear(x, weight, new Epilogue(null, Activation.GELU_TANH), null, x, out);
            b.linear(x, weight, Epilogue.NONE, null, out, out);
          });
      check(
          name,
          "attention of x to itself",
          (b, x, o, out) ->
              b.attention(
                  x.reshape(Shape.of(1, 4, 6)),
                  x.reshape(Shape.of(1, 4, 6)),
                  x.reshape(Shape.of(1, 4, 6)),
                  AttentionSpec.of(2, 3),
                  out.reshape(Shape.of(1, 4, 6))));
      check(
          name,
          "patches",
          (b, x, o, out) -> {
            b.patchify(x.reshape(Shape.of(1, 4, 6, 1)), 2, o.reshape(Shape.of(1, 6, 4)));
            b.combine(3, o, 0, null, out);
            b.unpatchify(out.reshape(Shape.of(1, 6, 4)), 2, o.reshape(Shape.of(1, 4, 6, 1)));
            b.add(o, factor, out);
          });
      check(
          name,
          "channels first and last",
          (b, x, o, out) -> {
            b.toChannelsLast(x.reshape(Shape.of(1, 4, 2, 3)), o.reshape(Shape.of(1, 2, 3, 4)));
            b.add(o, factor, o);
            b.toChannelsFirst(o.reshape(Shape.of(1, 2, 3, 4)), out.reshape(Shape.of(1, 4, 2, 3)));
          });
      check(
          name,
          "an operand of which a part is constant and was not before",
          (b, x, o, out) -> {
            b.combine(2, x, 0, null, o); // all of it depends on x
            b.copy(factor.columns(0, 3), o.columns(1, 4)); // three columns no more
            b.activate(Activation.SILU, o, out);
            b.linear(o, weight, Epilogue.NONE, null, out, out);
          });
      check(
          name,
          "memory that is overwritten with a constant, and again",
          (b, x, o, out) -> {
            b.combine(2, x, 0, null, out);
            b.combine(5, x, 0, null, o);
            b.copy(factor, o);
            b.add(out, o, out);
            b.combine(7, x, 1, out, o);
            b.copy(o, out);
          });
    }
  }

  /** Computes on a copy of x in memory that both share, then copies the result. */
  private static void inPlace(Backend b, Tensor x, Tensor other, Tensor out, Runnable operator) {
    b.copy(x, other);
    operator.run();
    b.copy(other, out);
  }

  private static void check(String name, String what, Operator operator) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1);
        var recorder = new RecordingBackend(backend);
        var other = recorder.allocate(DType.F32, Shape.of(4, 6));
        var out = recorder.allocate(DType.F32, Shape.of(4, 6))) {
      var x = tensors.random(4, 6);
      var dy = tensors.random(4, 6);
      var dx = tensors.out(4, 6);
      recorder.watch(x);
      operator.compute(recorder, x, other, out);
      recorder.backward(out, dy);
      recorder.gradient(x, dx);
      Differences.assertGradient(
          what + ", " + name,
          result -> operator.compute(backend, x, other, result),
          x,
          dy,
          dx,
          5e-4);
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void severalInputs(String name) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1);
        var recorder = new RecordingBackend(backend);
        var out = recorder.allocate(DType.F32, Shape.of(2, 3));
        var own = recorder.allocate(DType.F32, Shape.of(2, 3))) {
      var x = tensors.random(2, 3);
      var dy = tensors.random(2, 3);
      var dx = tensors.out(2, 3);
      recorder.watch(x);
      recorder.watch(own);
      recorder.combine(2, x, 3, own, out);
      recorder.backward(out, dy);
      recorder.gradient(x, dx);
      var expected = tensors.out(2, 3);
      backend.combine(2, dy, 0, null, expected);
      assertSameBits("gradient of x", expected, dx);
      recorder.gradient(own, dx);
      backend.combine(3, dy, 0, null, expected);
      assertSameBits("gradient of the recorder's own", expected, dx);
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void whatCannotBeDifferentiated(String name) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1);
        var recorder = new RecordingBackend(backend);
        var out = recorder.allocate(DType.F32, Shape.of(1, 4, 4, 6));
        var half = recorder.allocate(DType.F16, Shape.of(1, 4, 4, 6));
        var weight = recorder.pack(tensors.random(6, 6))) {
      var x = tensors.random(1, 4, 4, 6);
      var row = tensors.random(1, 6);
      var gamma = tensors.random(6);
      recorder.layerNorm(x, null, null, null, null, 1e-5f, out); // nothing is watched
      recorder.watch(x);
      recorder.watch(row);
      var constant = tensors.random(1, 4, 4, 6);
      recorder.layerNorm(constant, null, null, null, null, 1e-5f, out);
      for (int i = 0; i < 96; i++) {
        out.setFloat(i, 7);
      }
      unsupported("layerNorm", () -> recorder.layerNorm(x, null, null, null, null, 1e-5f, out));
      unsupported("exp", () -> recorder.exp(1, x, 0, out));
      unsupported("clamp", () -> recorder.clamp(x, 0, 1, out));
      unsupported("resizeBilinear", () -> recorder.resizeBilinear(x, out));
      unsupported("multiplyAdd", () -> recorder.multiplyAdd(x, x, x, out));
      unsupported("addPerSample", () -> recorder.addPerSample(constant, row, out));
      unsupported("add", () -> recorder.add(constant, row, out));
      unsupported("copy", () -> recorder.copy(x, half));
      unsupported(
          "linear", () -> recorder.linear(x, weight, Epilogue.NONE, gate(tensors), null, out));
      unsupported("linear", () -> recorder.linear(constant, weight, Epilogue.NONE, null, row, out));
      unsupported(
          "groupNorm",
          () -> recorder.groupNorm(x, 2, gamma, gamma, row, row, 1e-5f, Activation.SILU, out));
      var tokens = Shape.of(1, 16, 6);
      var windows = AttentionSpec.of(2, 3).inWindows(new AttentionSpec.Windows(4, 4, 2), null);
      unsupported(
          "attention",
          () ->
              recorder.attention(
                  x.reshape(tokens),
                  x.reshape(tokens),
                  x.reshape(tokens),
                  windows,
                  out.reshape(tokens)));
      for (int i = 0; i < 96; i++) {
        assertEquals(7, out.getFloat(i), "an operator that was refused has written");
      }
      var foreign = tensors.out(1, 4, 4, 6);
      assertEquals(
          "activate: out (F32 [1, 4, 4, 6] on cpu) depends on a watched tensor, so it must be"
              + " allocated by the recording backend",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> recorder.activate(Activation.SILU, x, foreign))
              .getMessage());
      assertTrue(Float.isNaN(foreign.getFloat(0)), "an operator that was refused has written");
      assertThrows(IllegalArgumentException.class, () -> recorder.backward(out, constant));
      assertThrows(IllegalArgumentException.class, () -> recorder.gradient(constant, foreign));
      recorder.clear();
      recorder.layerNorm(x, null, null, null, null, 1e-5f, out);
      recorder.activate(Activation.SILU, x, foreign);
      assertFalse(Float.isNaN(foreign.getFloat(0)), "nothing is watched, nothing refused");
    }
  }

  private static Tensor gate(TestTensors tensors) {
    return tensors.random(1, 6);
  }

  private static void unsupported(String operator, Runnable call) {
    var error = assertThrows(UnsupportedOperationException.class, call::run);
    assertTrue(
        error.getMessage().startsWith(operator + ": "),
        () -> "expected a message about " + operator + ", found " + error.getMessage());
  }

  /** Freed memory may come back as that of another tensor, whose adjoints are its own. */
  @ParameterizedTest
  @MethodSource(NAMES)
  void tensorsComeAndGo(String name) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1);
        var recorder = new RecordingBackend(backend)) {
      for (int i = 1; i <= 50; i++) {
        var x = tensors.random(2, 3);
        var dy = tensors.random(2, 3);
        var dx = tensors.out(2, 3);
        var expected = tensors.out(2, 3);
        try (var a = recorder.allocate(DType.F32, Shape.of(i % 7 + 2, 3));
            var b = recorder.allocate(DType.F32, Shape.of(2, 3))) {
          recorder.watch(x);
          recorder.combine(i, x, 0, null, a.slice(0, 2));
          recorder.copy(a.slice(0, 2), b);
          recorder.backward(b, dy);
          recorder.gradient(x, dx);
          recorder.clear();
        }
        backend.combine(i, dy, 0, null, expected);
        assertSameBits("gradient " + i, expected, dx);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void theBackendStaysOpen(String name) {
    try (var tensors = new TestTensors();
        var backend = TestBackends.open(name, 1)) {
      var x = tensors.random(2, 3);
      var out = tensors.out(2, 3);
      try (var recorder = new RecordingBackend(backend)) {
        assertEquals(backend.name(), recorder.name());
        assertEquals(backend.device(), recorder.device());
        assertEquals(backend.threads(), recorder.threads());
        assertEquals(backend.description(), recorder.description());
        recorder.add(x, x, out);
      }
      backend.add(x, x, out);
      assertEquals(2 * x.getFloat(0), out.getFloat(0));
    }
  }
}
