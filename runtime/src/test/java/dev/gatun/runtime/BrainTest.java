package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertClose;
import static dev.gatun.runtime.TestTensors.assertSameBits;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Linear layers in bf16: what the oracle gives for factors that are rounded to bf16 before, in
 * every size around tiles, with everything that may follow.
 */
class BrainTest {
  private static final int[] ROWS = {1, 3, 16, 17, 31, 32, 33, 64, 100, 300};
  private static final int[] INS = {1, 2, 31, 32, 33, 64, 100, 1152};
  private static final int[] OUTS = {1, 3, 16, 31, 32, 33, 64, 72, 200};
  private static final double TOLERANCE = 2e-6;

  @BeforeEach
  void available() {
    assumeAvailable();
  }

  /** Says so where bf16 cannot be tested. */
  static void assumeAvailable() {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.BF16);
    assumeTrue(reason.isEmpty(), "bf16 was not tested: " + reason);
  }

  static Backend open(int threads) {
    return Backend.open(Device.CPU, "cpu", Precision.BF16, threads);
  }

  /** Whether matrix tiles multiply; else vectors. */
  static boolean onTiles(Backend backend) {
    return backend.description().contains("bf16 on AMX tiles");
  }

  /** The same numbers rounded to bf16. */
  static Tensor rounded(TestTensors tensors, Backend oracle, Tensor x) {
    var brain = tensors.allocate(DType.BF16, x.shape().dims());
    var back = tensors.allocate(DType.F32, x.shape().dims());
    oracle.copy(x, brain);
    oracle.copy(brain, back);
    return back;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void everySize(int threads) {
    try (var oracle = TestBackends.reference();
        var backend = open(threads)) {
      for (int rows : ROWS) {
        for (int in : INS) {
          for (int out : OUTS) {
            if (rows > 64 && in > 100 && out > 72) {
              continue; // the oracle takes long
            }
            compare(oracle, backend, rows, in, out);
          }
        }
      }
    }
  }

  private static void compare(Backend oracle, Backend backend, int rows, int in, int out) {
    var what = rows + "x" + in + " by " + out;
    try (var tensors = new TestTensors()) {
      var x = tensors.random(rows, in);
      var matrix = tensors.random(out, in);
      var bias = tensors.random(out);
      try (var exact = oracle.pack(rounded(tensors, oracle, matrix));
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(rows, out);
        oracle.linear(
            rounded(tensors, oracle, x), exact, Epilogue.bias(bias), null, null, expected);
        var view = tensors.outView(rows, out);
        backend.linear(tensors.view(x), weight, Epilogue.bias(bias), view);
        assertClose(what, expected, view, TOLERANCE);
        var dense = tensors.out(rows, out);
        backend.linear(x, weight, Epilogue.bias(bias), dense);
        assertSameBits(what + " dense", view, dense);
        tensors.assertGuards(what);
      }
    }
  }

  /** More inputs than a piece, more rows than a chunk, more panels than a group; and no inputs. */
  @Test
  void severalPieces() {
    try (var oracle = TestBackends.reference();
        var backend = open(2)) {
      compare(oracle, backend, 33, 1601, 40);
      compare(oracle, backend, 290, 1550, 33);
      compare(oracle, backend, 35, 1537, 1100);
      compare(oracle, backend, 5, 0, 40);
    }
  }

  @Test
  void whatFollows() {
    try (var oracle = TestBackends.reference();
        var backend = open(2)) {
      for (var activation : Activation.values()) {
        for (int out : new int[] {32, 33, 80}) {
          try (var tensors = new TestTensors()) {
            var what = activation + " of " + out + " columns";
            var x = tensors.random(6, 33);
            var matrix = tensors.random(out, 33);
            var epilogue = new Epilogue(tensors.random(out), activation);
            var gate = tensors.random(2, out);
            var residual = tensors.random(3, out);
            try (var exact = oracle.pack(rounded(tensors, oracle, matrix));
                var weight = backend.pack(matrix)) {
              var expected = tensors.out(6, out);
              oracle.linear(rounded(tensors, oracle, x), exact, epilogue, gate, residual, expected);
              var found = tensors.outView(6, out);
              backend.linear(
                  x, weight, epilogue, tensors.view(gate), tensors.view(residual), found);
              assertClose(what, expected, found, 4e-6);
              tensors.assertGuards(what);
            }
          }
        }
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
      try (var weight = one.pack(matrix)) {
        var all = tensors.out(300, 72);
        one.linear(x, weight, Epilogue.NONE, all);
        var parallel = tensors.out(300, 72);
        two.linear(x, weight, Epilogue.NONE, parallel);
        assertSameBits("two threads", all, parallel);
        for (int row : new int[] {0, 1, 31, 32, 299}) {
          var alone = tensors.out(1, 72);
          two.linear(x.slice(row, row + 1), weight, Epilogue.NONE, alone);
          assertSameBits("row " + row, all.slice(row, row + 1), alone);
        }
      }
    }
  }

  @Test
  void gradient() {
    try (var oracle = TestBackends.reference();
        var backend = open(2);
        var tensors = new TestTensors()) {
      var dy = tensors.random(5, 40);
      var matrix = tensors.random(40, 67);
      try (var exact = oracle.pack(rounded(tensors, oracle, matrix));
          var weight = backend.pack(matrix)) {
        var expected = tensors.out(5, 67);
        oracle.linearGradient(rounded(tensors, oracle, dy), exact, expected);
        var found = tensors.outView(5, 67);
        backend.linearGradient(dy, weight, found);
        assertClose("gradient", expected, found, TOLERANCE);
        tensors.assertGuards("gradient");
      }
    }
  }

  /** Weights of 16 bits are taken as they are. */
  @Test
  void storedTypes() {
    try (var oracle = TestBackends.reference();
        var backend = open(1);
        var tensors = new TestTensors()) {
      var x = tensors.random(4, 50);
      var matrix = tensors.random(20, 50);
      for (var type : new DType[] {DType.BF16, DType.F16}) {
        var stored = tensors.allocate(type, 20, 50);
        oracle.copy(matrix, stored);
        var wide = tensors.allocate(DType.F32, 20, 50);
        oracle.copy(stored, wide);
        try (var one = backend.pack(stored);
            var other = backend.pack(wide)) {
          var first = tensors.out(4, 20);
          var second = tensors.out(4, 20);
          backend.linear(x, one, Epilogue.NONE, first);
          backend.linear(x, other, Epilogue.NONE, second);
          assertSameBits(type.toString(), second, first);
        }
      }
    }
  }

  /** Whichever thread meets the fault, it reaches whoever mapped the file. */
  @Test
  void aFileThatIsCutOff(@TempDir Path folder) throws IOException {
    var file = folder.resolve("weights");
    int out = 2048;
    int in = 256;
    long bytes = (long) out * in * Float.BYTES;
    try (var backend = open(2)) {
      for (int round = 0; round < 20; round++) {
        try (var channel =
                FileChannel.open(
                    file,
                    StandardOpenOption.CREATE,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
            var arena = Arena.ofShared()) {
          channel.write(ByteBuffer.allocate(1), bytes - 1);
          var memory = channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, arena);
          channel.truncate(bytes / 2);
          var matrix = Tensor.wrap(Device.CPU, DType.F32, Shape.of(out, in), memory);
          assertThrows(InternalError.class, () -> backend.pack(matrix).close());
        }
      }
    }
  }

  @Test
  void itSaysWhatItDoes() {
    try (var backend = open(1)) {
      assertEquals("cpu", backend.name());
      assertEquals(Precision.BF16, backend.precision());
      assertTrue(backend.description().contains("bf16"), backend.description());
    }
  }
}
