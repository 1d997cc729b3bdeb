package dev.gatun.benchmarks;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the benchmarks share: a backend, seeded operands, and a check that what was measured is
 * right. Scores are per second; each benchmark also counts its work, see {@link Arithmetic} and
 * {@link Traffic}, so that the line {@code :gflop} is GFLOP/s and {@code :gigabyte} is GB/s.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(5)
public abstract class OperatorBenchmark {
  private static final long SEED = 7402;

  /** Name of the backend: cpu, or reference with {@code -p backend=reference}. */
  @Param("cpu")
  public String backend;

  /** How many threads compute. */
  @Param({"1", "2"})
  public int threads;

  private final SplittableRandom random = new SplittableRandom(SEED);
  private final List<AutoCloseable> owned = new ArrayList<>();

  /** The backend that is measured. */
  protected Backend measured;

  /** The backend that says what is right. */
  protected Backend oracle;

  /** What the threads multiply and add at best, in GFLOP/s. */
  protected double peak;

  /** What the backend copies at best, in GB/s read and written. */
  protected double copying;

  /** Opens the backends, measures what the machine can do, then makes the operands. */
  @Setup(Level.Trial)
  public final void open() {
    measured = own(Backend.open(Device.CPU, backend, threads));
    oracle = own(Backend.open(Device.CPU, "reference", 1));
    peak = Machine.multiplyAdds(threads);
    copying = Machine.copies(measured);
    operands();
  }

  /** Holds the last result against the oracle, then frees everything. */
  @TearDown(Level.Trial)
  public final void close() throws Exception {
    check();
    for (var resource : owned.reversed()) {
      resource.close();
    }
  }

  /** Makes what the benchmark computes with. */
  protected abstract void operands();

  /** Throws if the result is wrong somewhere; calls {@link #requireClose}. */
  protected abstract void check();

  /** Keeps a resource until the end of the trial. */
  protected final <T extends AutoCloseable> T own(T resource) {
    owned.add(resource);
    return resource;
  }

  /** A tensor of numbers between -1 and 1. */
  protected final Tensor random(int... dims) {
    var tensor = zeros(dims);
    float[] values = new float[Math.toIntExact(tensor.shape().size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    tensor.setFloats(values);
    return tensor;
  }

  /** A tensor of zeros. */
  protected final Tensor zeros(int... dims) {
    return own(Tensor.allocate(DType.F32, Shape.of(dims)));
  }

  /** Row {@code index} of a tensor {@code [rows, C]}, as {@code [1, C]}. */
  protected static Tensor row(Tensor matrix, int index) {
    return matrix.slice(index, index + 1);
  }

  /** The numbers of a parameter such as {@code 512x384x1536}. */
  protected static int[] extents(String shape) {
    return Arrays.stream(shape.split("x")).mapToInt(Integer::parseInt).toArray();
  }

  /**
   * Throws if the largest difference is more than a share of the largest expected magnitude.
   *
   * @throws IllegalStateException names the benchmark, the element, expected and found
   */
  protected final void requireClose(Tensor expected, Tensor found, double tolerance) {
    double largest = 0;
    for (long i = 0; i < expected.shape().size(); i++) {
      largest = Math.max(largest, Math.abs(expected.getFloat(i)));
    }
    for (long i = 0; i < expected.shape().size(); i++) {
      double difference = Math.abs(expected.getFloat(i) - found.getFloat(i));
      if (!(difference <= tolerance * largest)) {
        throw new IllegalStateException(
            "%s on %s, element %d: expected %s, found %s, seed %d"
                .formatted(
                    getClass().getSimpleName(),
                    measured.description(),
                    i,
                    expected.getFloat(i),
                    found.getFloat(i),
                    SEED));
      }
    }
  }
}
