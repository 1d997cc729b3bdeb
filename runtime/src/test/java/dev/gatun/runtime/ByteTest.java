package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Linear layers in bytes: bit for bit what loops over {@code long} give, in every size around
 * tiles, blocks and chunks, with everything that may follow.
 */
class ByteTest {
  private static final int[] ROWS = {1, 3, 16, 17, 31, 32, 33, 64, 100, 300};
  private static final int[] INS = {64, 65, 66, 79, 96, 100, 127, 128, 129, 1000, 1152};
  private static final int[] OUTS = {64, 65, 72, 80, 95, 96, 97, 200};

  @BeforeEach
  void available() {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.I8);
    assumeTrue(reason.isEmpty(), "i8 was not tested: " + reason);
  }

  private static Backend open(int threads) {
    return Backend.open(Device.CPU, "cpu", Precision.I8, threads);
  }

  private static Tensor linear(TestTensors tensors, Tensor x, Tensor matrix, Tensor bias) {
    var rows = Quantised.of(x);
    var weight = Quantised.of(matrix);
    int outs = matrix.dim(0);
    var result = tensors.out(Math.toIntExact(x.shape().rows()), outs);
    for (int i = 0; i < result.shape().size(); i++) {
      int n = i % outs;
      result.setFloat(i, rows.product(i / outs, weight, n, bias == null ? 0 : bias.getFloat(n)));
    }
    return result;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void everySize(int threads) {
    try (var backend = open(threads)) {
      for (int rows : ROWS) {
        for (int in : INS) {
          for (int out : OUTS) {
            if (rows > 64 && in > 100 && out > 72) {
              continue; // the loops take long
            }
            compare(backend, rows, in, out);
          }
        }
      }
    }
  }

  private static void compare(Backend backend, int rows, int in, int out) {
    var what = rows + "x" + in + " by " + out;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(rows, in);
      var matrix = tensors.random(out, in);
      var bias = tensors.random(out);
      try (var weight = backend.pack(matrix)) {
        var expected = linear(tensors, x, matrix, bias);
        var view = tensors.outView(rows, out);
        backend.linear(tensors.view(x), weight, Epilogue.bias(bias), view);
        assertSameBits(what, expected, view);
        var dense = tensors.out(rows, out);
        backend.linear(x, weight, Epilogue.bias(bias), dense);
        assertSameBits(what + " dense", expected, dense);
        tensors.assertGuards(what);
      }
    }
  }

  /** More inputs than a piece, more rows than a chunk, more panels than a group; and no inputs. */
  @Test
  void severalPieces() {
    try (var backend = open(2)) {
      compare(backend, 33, 3201, 70);
      compare(backend, 290, 3100, 65);
      compare(backend, 550, 64, 70);
      compare(backend, 35, 3073, 1100);
      compare(backend, 5, 0, 40);
    }
  }

  /** All sums have the largest magnitude that there is. */
  @Test
  void theLargestSums() {
    int in = 131071;
    try (var backend = open(1);
        var tensors = new TestTensors()) {
      var x = tensors.allocate(DType.F32, 2, in);
      var matrix = tensors.allocate(DType.F32, 64, in);
      for (int i = 0; i < in; i++) {
        x.setFloat(i, 1);
        x.setFloat(in + i, -1);
        for (long n = 0; n < 64; n++) {
          matrix.setFloat(n * in + i, n % 2 == 0 ? 127 : -254);
        }
      }
      try (var weight = backend.pack(matrix)) {
        var expected = linear(tensors, x, matrix, null);
        var found = tensors.out(2, 64);
        backend.linear(x, weight, Epilogue.NONE, found);
        assertSameBits("largest", expected, found);
      }
    }
  }

  /** Sums that an int might not hold are made otherwise. */
  @Test
  void tooManyInputs() {
    int in = 140_000;
    try (var backend = open(1);
        var tensors = new TestTensors()) {
      var ones = tensors.allocate(DType.F32, 1, in);
      for (int i = 0; i < in; i++) {
        ones.setFloat(i, 1);
      }
      var matrix = tensors.allocate(DType.F32, 64, in);
      backend.fill(matrix, 1);
      try (var weight = backend.pack(matrix)) {
        var found = tensors.out(1, 64);
        backend.linear(ones, weight, Epilogue.NONE, found);
        assertEquals(in, found.getFloat(0));
      }
    }
  }

  /** Layers that lead into a network or out of it stay as they are without i8. */
  @Test
  void smallLayersAreNotQuantised() {
    boolean brain = Backend.unavailable(Device.CPU, "cpu", Precision.BF16).isEmpty();
    try (var backend = open(1);
        var rest = Backend.open(Device.CPU, "cpu", brain ? Precision.BF16 : Precision.F32, 1);
        var tensors = new TestTensors()) {
      for (int[] size : new int[][] {{63, 100}, {100, 63}, {1, 64}, {64, 1}}) {
        var x = tensors.random(5, size[1]);
        var matrix = tensors.random(size[0], size[1]);
        try (var weight = backend.pack(matrix);
            var same = rest.pack(matrix)) {
          var expected = tensors.out(5, size[0]);
          rest.linear(x, same, Epilogue.NONE, expected);
          var found = tensors.out(5, size[0]);
          backend.linear(x, weight, Epilogue.NONE, found);
          assertSameBits(size[0] + " outputs, " + size[1] + " inputs", expected, found);
        }
      }
    }
  }

  @Test
  void whatFollows() {
    try (var oracle = TestBackends.reference();
        var backend = open(2)) {
      for (var activation : Activation.values()) {
        for (int out : new int[] {64, 65, 80}) {
          for (int variant = 0; variant < 4; variant++) {
            follow(oracle, backend, activation, out, (variant & 1) != 0, (variant & 2) != 0);
          }
        }
      }
    }
  }

  private static void follow(
      Backend oracle,
      Backend backend,
      Activation activation,
      int out,
      boolean gated,
      boolean added) {
    var what = activation + " of " + out + " columns, gate " + gated + ", residual " + added;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(6, 70);
      var matrix = tensors.random(out, 70);
      var bias = tensors.random(out);
      var gate = gated ? tensors.random(2, out) : null;
      var residual = added ? tensors.random(3, out) : null;
      var sums = linear(tensors, x, matrix, bias);
      var expected = tensors.out(6, out);
      // the identity matrix lets the oracle do what follows
      var identity = tensors.allocate(DType.F32, out, out);
      for (int i = 0; i < out; i++) {
        identity.setFloat((long) i * out + i, 1);
      }
      try (var plain = oracle.pack(identity);
          var weight = backend.pack(matrix)) {
        oracle.linear(sums, plain, new Epilogue(null, activation), gate, residual, expected);
        var found = tensors.outView(6, out);
        backend.linear(
            x,
            weight,
            new Epilogue(bias, activation),
            tensors.viewOrNull(gate),
            tensors.viewOrNull(residual),
            found);
        assertClose(what, expected, found, 4e-6);
        if (added) {
          // a result may take the place of the residual
          var rows = tensors.random(6, out);
          oracle.linear(sums, plain, new Epilogue(null, activation), gate, rows, expected);
          var inPlace = tensors.view(rows);
          backend.linear(x, weight, new Epilogue(bias, activation), gate, inPlace, inPlace);
          assertClose(what + " in place", expected, inPlace, 4e-6);
        }
        tensors.assertGuards(what);
      }
    }
  }

  /** A row has the same bits for any number of threads and whatever stands beside it. */
  @Test
  void bits() {
    try (var tensors = new TestTensors();
        var one = open(1);
        var two = open(2)) {
      var x = tensors.random(300, 100);
      var matrix = tensors.random(72, 100);
      var epilogue = new Epilogue(tensors.random(72), Activation.GELU_TANH);
      try (var weight = one.pack(matrix)) {
        var all = tensors.out(300, 72);
        one.linear(x, weight, epilogue, all);
        var parallel = tensors.out(300, 72);
        two.linear(x, weight, epilogue, parallel);
        assertSameBits("two threads", all, parallel);
        for (int row : new int[] {0, 1, 31, 32, 299}) {
          var alone = tensors.out(1, 72);
          two.linear(x.slice(row, row + 1), weight, epilogue, alone);
          assertSameBits("row " + row, all.slice(row, row + 1), alone);
        }
      }
    }
  }

  /**
   * What is not finite makes its row NaN and no other; zeros and tiny numbers divide by nothing.
   */
  @Test
  void unusualRows() {
    float[] unusual = {
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      0,
      -0f,
      Float.MIN_VALUE,
      1e-37f,
      Float.MAX_VALUE
    };
    try (var backend = open(2);
        var tensors = new TestTensors()) {
      for (int in : new int[] {64, 65, 100, 200}) {
        for (int place : new int[] {0, in / 2, in - 1}) {
          var x = tensors.random(2 * unusual.length, in);
          var matrix = tensors.random(66, in);
          for (int r = 0; r < unusual.length; r++) {
            if (unusual[r] == 0) {
              x.slice(2 * r, 2 * r + 1).segment().fill((byte) 0);
            }
            x.setFloat(2L * r * in + place, unusual[r]);
          }
          var expected = linear(tensors, x, matrix, null);
          try (var weight = backend.pack(matrix)) {
            var found = tensors.out(2 * unusual.length, 66);
            backend.linear(x, weight, Epilogue.NONE, found);
            assertSameBits(in + " inputs, number " + place, expected, found);
            for (int r = 0; r < 2 * unusual.length; r++) {
              boolean finite = r % 2 == 1 || Float.isFinite(unusual[r / 2]);
              assertEquals(!finite, Float.isNaN(found.getFloat(r * 66L)), "row " + r);
            }
          }
        }
      }
    }
  }

  /** An output feature whose weights are not finite is NaN, one of zeros is the bias. */
  @Test
  void unusualWeights() {
    try (var backend = open(1);
        var tensors = new TestTensors()) {
      var x = tensors.random(3, 70);
      var matrix = tensors.random(72, 70);
      matrix.setFloat(5L * 70 + 69, Float.NaN);
      matrix.setFloat(7L * 70, Float.NEGATIVE_INFINITY);
      matrix.slice(9, 10).segment().fill((byte) 0);
      var bias = tensors.random(72);
      try (var weight = backend.pack(matrix)) {
        var found = tensors.out(3, 72);
        backend.linear(x, weight, Epilogue.bias(bias), found);
        assertSameBits("weights", linear(tensors, x, matrix, bias), found);
        assertTrue(Float.isNaN(found.getFloat(5)) && Float.isNaN(found.getFloat(7)));
        assertEquals(bias.getFloat(9), found.getFloat(9));
      }
    }
  }

  /** The error against f32 is what steps of 1/127 of the largest numbers make. */
  @Test
  void itIsNearF32() {
    try (var oracle = TestBackends.reference();
        var backend = open(2);
        var tensors = new TestTensors()) {
      var x = tensors.random(20, 500);
      var matrix = tensors.random(70, 500);
      try (var exact = oracle.pack(matrix);
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(20, 70);
        oracle.linear(x, exact, Epilogue.NONE, expected);
        var found = tensors.out(20, 70);
        backend.linear(x, weight, Epilogue.NONE, found);
        double error = 0;
        double norm = 0;
        for (long i = 0; i < found.shape().size(); i++) {
          error += Math.pow(found.getFloat(i) - expected.getFloat(i), 2);
          norm += Math.pow(expected.getFloat(i), 2);
        }
        assertTrue(Math.sqrt(error / norm) < 8e-3, "relative error " + Math.sqrt(error / norm));
      }
    }
  }

  /** The gradient is that of the numbers that the bytes stand for. */
  @Test
  void gradient() {
    try (var oracle = TestBackends.reference();
        var backend = open(2);
        var tensors = new TestTensors()) {
      var dy = tensors.random(5, 70);
      var matrix = tensors.random(70, 67);
      var w = Quantised.of(matrix);
      var stands = tensors.allocate(DType.F32, 70, 67);
      for (int n = 0; n < 70; n++) {
        for (int k = 0; k < 67; k++) {
          stands.setFloat(n * 67L + k, w.bytes()[n][k] * w.scales()[n]);
        }
      }
      try (var exact = oracle.pack(stands);
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(5, 67);
        oracle.linearGradient(dy, exact, expected);
        var found = tensors.outView(5, 67);
        backend.linearGradient(dy, weight, found);
        assertClose("gradient", expected, found, 2e-6);
        tensors.assertGuards("gradient");
      }
    }
  }

  /** Weights of 16 bits are widened first; a view is read as it is. */
  @Test
  void storedTypes() {
    try (var oracle = TestBackends.reference();
        var backend = open(1);
        var tensors = new TestTensors()) {
      var x = tensors.random(4, 66);
      var matrix = tensors.random(70, 66);
      for (var type : new DType[] {DType.BF16, DType.F16, DType.F32}) {
        var stored = tensors.allocate(type, 70, 66);
        oracle.copy(matrix, stored);
        var wide = tensors.allocate(DType.F32, 70, 66);
        oracle.copy(stored, wide);
        try (var one = backend.pack(stored);
            var other = backend.pack(tensors.view(wide))) {
          var expected = linear(tensors, x, wide, null);
          for (var weight : new Weight[] {one, other}) {
            var found = tensors.out(4, 70);
            backend.linear(x, weight, Epilogue.NONE, found);
            assertSameBits(type.toString(), expected, found);
          }
        }
      }
    }
  }

  @Test
  void closedAndForeignWeights() {
    try (var backend = open(1);
        var plain = Backend.open(Device.CPU, "cpu", 1);
        var tensors = new TestTensors()) {
      var x = tensors.random(2, 65);
      var out = tensors.out(2, 64);
      var weight = backend.pack(tensors.random(64, 65));
      var foreign =
          assertThrows(
              IllegalArgumentException.class, () -> plain.linear(x, weight, Epilogue.NONE, out));
      assertEquals(
          "linear: weight is a ByteWeight, expected one packed by the cpu backend",
          foreign.getMessage());
      weight.close();
      var closed =
          assertThrows(
              IllegalStateException.class, () -> backend.linear(x, weight, Epilogue.NONE, out));
      assertEquals("linear: weight [64, 65] is closed", closed.getMessage());
      assertThrows(IllegalStateException.class, () -> backend.linearGradient(out, weight, x));
    }
  }

  /** Tensors in bf16 between products: a row is quantised as if its numbers were f32. */
  @Test
  void factors() {
    try (var oracle = TestBackends.reference();
        var backend = open(2)) {
      assumeTrue(backend.factorType() == DType.BF16, "bf16 is not there");
      for (int rows : new int[] {1, 33, 70}) {
        for (int in : new int[] {64, 65, 79, 80, 95, 100, 127, 1152}) {
          try (var tensors = new TestTensors();
              var weight = backend.pack(tensors.random(72, in))) {
            var what = rows + "x" + in;
            var x = BrainTest.rounded(tensors, oracle, tensors.random(rows, in));
            var epilogue = new Epilogue(tensors.random(72), Activation.GELU_TANH);
            var expected = tensors.out(rows, 72);
            backend.linear(x, weight, epilogue, expected);
            var stored = tensors.allocate(DType.BF16, rows, in + 5).columns(3, in + 3);
            oracle.copy(x, stored);
            var found = tensors.outView(rows, 72);
            backend.linear(stored, weight, epilogue, found);
            assertSameBits(what, expected, found);
            var rounded = tensors.allocate(DType.BF16, rows, 72);
            backend.linear(stored, weight, epilogue, rounded);
            var wide = tensors.allocate(DType.F32, rows, 72);
            oracle.copy(rounded, wide);
            assertSameBits(what + " rounded", BrainTest.rounded(tensors, oracle, expected), wide);
            tensors.assertGuards(what);
          }
        }
      }
    }
  }

  /** Once the compiler has seen to it; until then, every vector is an object. */
  @Test
  void itAllocatesNothing() {
    try (var backend = open(2);
        var tensors = new TestTensors();
        var weight = backend.pack(tensors.random(70, 100))) {
      var x = tensors.random(40, 100);
      var out = tensors.out(40, 70);
      var epilogue = new Epilogue(tensors.random(70), Activation.GELU_TANH);
      int clean = 0;
      for (int i = 0; i < 1_000_000 && clean < 20; i++) {
        long before = Allocated.bytes();
        backend.linear(x, weight, epilogue, null, out, out);
        clean = Allocated.bytes() == before ? clean + 1 : 0;
      }
      assertEquals(20, clean, "linear goes on allocating");
    }
  }

  @Test
  void itSaysWhatItDoes() {
    try (var backend = open(1)) {
      assertEquals("cpu", backend.name());
      assertEquals(Precision.I8, backend.precision());
      var description = backend.description();
      assertTrue(description.contains("int8"), description);
      if (Integer.getInteger("gatun.cpu.vectorBits", 512) == 256) {
        assertTrue(description.matches(".*int8 [a-z ]* on AVX(2|-VNNI) vectors.*"), description);
      }
    }
  }
}
