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
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;

/**
 * How long a collector, or whoever else must stop all threads, waits while operators compute: they
 * run in machine code that is called without a change of the thread's state, so the JVM waits for
 * the end of a call.
 *
 * <pre>
 *   ./gatun safepoints [THREADS [DTYPE…]]     1 thread, f32 and bf16
 * </pre>
 *
 * <p>Stack traces of all threads are asked for every 3 ms, and Flight Recorder tells how long the
 * threads took to stop. The first row is a loop in Java that does nothing: what the JVM and the
 * machine need anyway. Leave a processor to the JVM, that is, compute with one thread less than
 * there are; else it waits for a processor most of the time.
 */
public final class SafepointTrial implements AutoCloseable {
  private static final Duration WARM_UP = Duration.ofSeconds(4);
  private static final Duration MEASURED = Duration.ofSeconds(6);
  private static final int PAUSE_MILLIS = 3;
  private static final String SYNCHRONIZATION = "jdk.SafepointStateSynchronization";

  private final List<Runnable> closings = new ArrayList<>();
  private final Backend backend;

  private SafepointTrial(Precision precision, int threads) {
    backend = Backend.open(Device.CPU, "cpu", precision, threads);
    closings.add(backend::close);
  }

  /** The arguments are the number of threads, and precisions. */
  public static void main(String[] args) throws Exception {
    int threads = args.length > 0 ? Integer.parseInt(args[0]) : 1;
    var precisions = new ArrayList<Precision>();
    for (int i = 1; i < args.length; i++) {
      precisions.add(Precision.valueOf(args[i].toUpperCase(Locale.ROOT)));
    }
    if (precisions.isEmpty()) {
      precisions.addAll(List.of(Precision.F32, Precision.BF16));
    }
    System.out.println("| until all threads stand, µs | median | 9 of 10 | 99 of 100 | longest |");
    System.out.println("|---|---|---|---|---|");
    print("nothing", measure(() -> {}, WARM_UP, MEASURED));
    for (var precision : precisions) {
      try (var trial = new SafepointTrial(precision, threads)) {
        for (var operator : trial.operators().entrySet()) {
          print(operator.getKey(), measure(operator.getValue(), WARM_UP, MEASURED));
        }
      }
    }
  }

  private Map<String, Runnable> operators() {
    // As between the layers of a transformer: f32 what is normalised, factors what products read.
    var tokens = tensor(2, 256, 1152);
    var x = factor(tokens);
    var wide = factor(tensor(2, 256, 4608));
    var out = factor(tokens);
    var weight = backend.pack(tensor(4608, 1152));
    closings.add(weight::close);
    var gelu = new Epilogue(tensor(4608), Activation.GELU_TANH);
    var map = tensor(1, 64, 64, 256);
    var kernel = backend.packKernel(tensor(256, 256, 3, 3));
    closings.add(kernel::close);
    var convolved = tensor(1, 64, 64, 256);
    var heads = AttentionSpec.of(16, 72);
    var name = backend.precision();
    var operators = new LinkedHashMap<String, Runnable>();
    operators.put(name + " linear 512×1152×4608", () -> backend.linear(x, weight, gelu, wide));
    operators.put(name + " attention 2×256×16×72", () -> backend.attention(x, x, x, heads, out));
    operators.put(
        name + " conv2d 64×256×256",
        () -> backend.conv2d(map, kernel, Conv2dSpec.same(3), Epilogue.NONE, convolved));
    operators.put(
        name + " layerNorm 512×1152",
        () -> backend.layerNorm(tokens, null, null, null, null, 1e-6f, out));
    return operators;
  }

  private Tensor tensor(int... dims) {
    var tensor = allocate(DType.F32, Shape.of(dims));
    HashedNumbers.fill(tensor, 7919, 1, 0);
    return tensor;
  }

  private Tensor factor(Tensor of) {
    var factor = allocate(backend.factorType(), of.shape());
    backend.copy(of, factor);
    return factor;
  }

  private Tensor allocate(DType type, Shape shape) {
    var tensor = Tensor.allocate(type, shape);
    closings.add(tensor::close);
    return tensor;
  }

  /** What each stop took while an operator computed: µs, in rising order. */
  static double[] measure(Runnable operator, Duration warmUp, Duration measured) throws Exception {
    var done = new AtomicBoolean();
    var computing =
        Thread.ofPlatform()
            .start(
                () -> {
                  while (!done.get()) {
                    operator.run();
                  }
                });
    try (var recording = new Recording()) {
      Thread.sleep(warmUp);
      recording.enable(SYNCHRONIZATION).withThreshold(Duration.ZERO);
      recording.start();
      long end = System.nanoTime() + measured.toNanos();
      while (System.nanoTime() < end && computing.isAlive()) {
        Thread.getAllStackTraces();
        Thread.sleep(PAUSE_MILLIS);
      }
      recording.stop();
      return durations(recording);
    } finally {
      done.set(true);
      computing.join();
    }
  }

  private static double[] durations(Recording recording) throws IOException {
    var file = Files.createTempFile("gatun", ".jfr");
    try {
      recording.dump(file);
      return RecordingFile.readAllEvents(file).stream()
          .filter(event -> event.getEventType().getName().equals(SYNCHRONIZATION))
          .mapToDouble(event -> event.getDuration().toNanos() * 1e-3)
          .sorted()
          .toArray();
    } finally {
      Files.delete(file);
    }
  }

  private static void print(String what, double[] sorted) {
    System.out.printf(
        Locale.ROOT,
        "| %s | %.0f | %.0f | %.0f | %.0f |%n",
        what,
        at(sorted, 0.5),
        at(sorted, 0.9),
        at(sorted, 0.99),
        at(sorted, 1));
  }

  /** The number that so large a share is below. */
  static double at(double[] sorted, double share) {
    return sorted.length == 0
        ? Double.NaN
        : sorted[Math.min(sorted.length - 1, (int) (sorted.length * share))];
  }

  @Override
  public void close() {
    closings.reversed().forEach(Runnable::run);
  }
}
