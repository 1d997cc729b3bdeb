package dev.gatun.benchmarks;

import dev.gatun.runtime.Activation;
import dev.gatun.runtime.AttentionSpec;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Conv2dSpec;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Epilogue;
import dev.gatun.runtime.Precision;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Runs operators and networks for another program, which times them in turns with its own: a line
 * of standard input is a command, a line of standard output its answer. {@code peers/compare.py} is
 * that program.
 *
 * <pre>
 *   linear ROWS IN OUT            prepares x·Wᵀ + b; answers some elements of the result
 *   attention TOKENS HEADS SIZE   prepares self-attention of one sample
 *   conv2d SIDE IN OUT            prepares a 3×3 convolution of a square map, channels last
 *   network NAME BATCH            prepares an evaluation of a published network, see NetworkTrial
 *   time SECONDS                  answers the median of a call, in seconds
 * </pre>
 */
public final class OperatorServer implements AutoCloseable {
  /** Elements of the result that are shown: evenly spaced but for a step to the next channel. */
  private static final int SHOWN = 64;

  private final Backend backend;
  private final List<Runnable> closings = new ArrayList<>();
  private Runnable operator = () -> {};
  private int operands;

  OperatorServer(Precision precision, int threads) {
    var reason = Backend.unavailable(Device.CPU, "cpu", precision);
    if (!reason.isEmpty()) {
      // what computes in f32 instead is not to be compared
      throw new UnsupportedOperationException(precision + " cannot be measured here: " + reason);
    }
    backend = Backend.open(Device.CPU, "cpu", precision, threads);
  }

  /** Serves until the input ends; the arguments are the number of threads and f32, bf16 or i8. */
  public static void main(String[] args) throws IOException {
    int threads = args.length > 0 ? Integer.parseInt(args[0]) : 2;
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var precision = Precision.valueOf((args.length > 1 ? args[1] : "f32").toUpperCase(Locale.ROOT));
    try (var server = new OperatorServer(precision, threads)) {
      System.out.println(server.backend.description());
      server.serve(in, System.out);
    }
  }

  void serve(BufferedReader in, PrintStream out) throws IOException {
    for (var line = in.readLine(); line != null; line = in.readLine()) {
      var words = line.strip().split(" +");
      if (words[0].equals("time")) {
        out.println(median(Double.parseDouble(words[1])));
      } else {
        free();
        out.println(sample(prepare(words)));
      }
    }
  }

  /** Sets what is timed and returns where it leaves its result. */
  private Tensor prepare(String[] words) throws IOException {
    if (words[0].equals("network")) {
      var trial = new NetworkTrial(words[1], Integer.parseInt(words[2]), backend);
      closings.add(trial::close);
      operator = trial::run;
      return trial.out();
    }
    int[] n = Arrays.stream(words).skip(1).mapToInt(Integer::parseInt).toArray();
    return prepare(words[0], n);
  }

  private Tensor prepare(String name, int[] n) throws IOException {
    return switch (name) {
      case "linear" -> {
        var x = operand(n[0], n[1]);
        var weight = backend.pack(operand(n[2], n[1]));
        closings.add(weight::close);
        var epilogue = new Epilogue(operand(n[2]), Activation.IDENTITY);
        var out = zeros(n[0], n[2]);
        operator = () -> backend.linear(x, weight, epilogue, out);
        yield out;
      }
      case "attention" -> {
        int width = n[1] * n[2];
        var q = operand(1, n[0], width);
        var k = operand(1, n[0], width);
        var v = operand(1, n[0], width);
        var out = zeros(1, n[0], width);
        var spec = AttentionSpec.of(n[1], n[2]);
        operator = () -> backend.attention(q, k, v, spec, out);
        yield out;
      }
      case "conv2d" -> {
        var x = operand(1, n[0], n[0], n[1]);
        var kernel = backend.packKernel(operand(n[2], n[1], 3, 3));
        closings.add(kernel::close);
        var epilogue = new Epilogue(operand(n[2]), Activation.IDENTITY);
        var out = zeros(1, n[0], n[0], n[2]);
        operator = () -> backend.conv2d(x, kernel, Conv2dSpec.same(3), epilogue, out);
        yield out;
      }
      default -> throw new IOException("no operator " + name);
    };
  }

  private String sample(Tensor out) {
    operator.run();
    long size = out.shape().size();
    var text = new StringBuilder();
    for (int i = 0; i < SHOWN; i++) {
      text.append(String.format(Locale.ROOT, "%.9g ", out.getFloat((size * i / SHOWN + i) % size)));
    }
    return text.toString().strip();
  }

  /** The median of the calls in so many seconds, after a third of that to get going. */
  private double median(double seconds) {
    long begin = System.nanoTime();
    var times = new ArrayList<Double>();
    for (double elapsed = 0; elapsed < seconds || times.isEmpty(); ) {
      long start = System.nanoTime();
      operator.run();
      long end = System.nanoTime();
      elapsed = (end - begin) * 1e-9;
      if (elapsed > seconds / 3) {
        times.add((end - start) * 1e-9);
      }
    }
    times.sort(null);
    return times.get(times.size() / 2);
  }

  /** Numbers between -½ and ½ that differ from those of the operands before. */
  private Tensor operand(int... dims) {
    var tensor = zeros(dims);
    HashedNumbers.fill(tensor, ++operands * 7919, 1, 0);
    return tensor;
  }

  private Tensor zeros(int... dims) {
    var tensor = Tensor.allocate(DType.F32, Shape.of(dims));
    closings.add(tensor::close);
    return tensor;
  }

  private void free() {
    closings.reversed().forEach(Runnable::run);
    closings.clear();
    operands = 0;
  }

  @Override
  public void close() {
    free();
    backend.close();
  }
}
