package dev.gatun.runtime;

import static dev.gatun.runtime.TestTensors.assertSameBits;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link BitIdentityTest} for the operators on feature maps, of sizes that threads share. */
class FeatureMapBitsTest {
  private static final String NAMES = "dev.gatun.runtime.TestBackends#names";
  private static final int SAMPLES = 3;

  /** An operator on samples {@code from} to {@code to} of its inputs. */
  private interface Samples {
    void compute(Backend backend, int from, int to, Tensor out);
  }

  /** Holds parts of the batch, and other numbers of threads, against the batch on one thread. */
  private static void assertSame(
      String name, TestTensors tensors, String what, int[] sample, Samples samples) {
    var whole = tensors.out(dims(SAMPLES, sample));
    try (var backend = Backend.open(Device.CPU, name, 1)) {
      samples.compute(backend, 0, SAMPLES, whole);
    }
    for (int threads = 1; threads <= 3; threads++) {
      try (var backend = Backend.open(Device.CPU, name, threads)) {
        for (int from = 0; from < SAMPLES; from++) {
          for (int to = from + 1; to <= SAMPLES; to++) {
            var part = tensors.outView(dims(to - from, sample));
            samples.compute(backend, from, to, part);
            assertSameBits(
                "%s of samples %d to %d, %s with %d threads"
                    .formatted(what, from, to, name, threads),
                whole.slice(from, to),
                part);
          }
        }
      }
    }
  }

  private static int[] dims(int batch, int[] sample) {
    int[] dims = new int[sample.length + 1];
    dims[0] = batch;
    System.arraycopy(sample, 0, dims, 1, sample.length);
    return dims;
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void conv2d(String name) {
    // channels, results, kernel, stride, height, width; the last one by Winograd's algorithm
    int[][] sizes = {
      {3, 17, 3, 1, 9, 7},
      {64, 33, 3, 1, 9, 7},
      {31, 40, 3, 2, 9, 7},
      {33, 70, 1, 1, 9, 7},
      {6, 5, 5, 2, 9, 7},
      {17, 70, 3, 1, 25, 30}
    };
    for (int[] size : sizes) {
      int height = size[4];
      int width = size[5];
      int in = size[0];
      int out = size[1];
      try (var tensors = new TestTensors()) {
        var x = tensors.random(SAMPLES, height, width, in);
        var stored = tensors.random(out, in, size[2], size[2]);
        var epilogue = new Epilogue(tensors.random(out), Activation.SILU);
        var spec = Conv2dSpec.padded(size[3], size[2] / 2);
        int[] sample = {spec.outHeight(height, size[2]), spec.outWidth(width, size[2]), out};
        var residual = tensors.random(dims(SAMPLES, sample));
        assertSame(
            name,
            tensors,
            "conv2d from " + in + " to " + out,
            sample,
            (backend, from, to, part) -> {
              try (var kernel = backend.packKernel(stored)) {
                var skip = residual.slice(from, to);
                backend.conv2d(x.slice(from, to), kernel, spec, epilogue, skip, part);
              }
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void groupNorm(String name) {
    int[][] sizes = {{3, 3, 1}, {40, 41, 33}, {70, 33, 64}}; // height, width, channels
    for (int[] size : sizes) {
      try (var tensors = new TestTensors()) {
        int channels = size[2];
        var x = tensors.random(dims(SAMPLES, size));
        var gamma = tensors.random(channels);
        var beta = tensors.random(channels);
        var shift = tensors.random(SAMPLES, channels);
        var scale = tensors.random(SAMPLES, channels);
        assertSame(
            name,
            tensors,
            "groupNorm of " + Shape.of(size),
            size,
            (backend, from, to, part) ->
                backend.groupNorm(
                    x.slice(from, to),
                    channels % 2 == 0 ? 32 : 1,
                    gamma,
                    beta,
                    shift.slice(from, to),
                    scale.slice(from, to),
                    1e-5f,
                    Activation.SILU,
                    part));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(NAMES)
  void resampling(String name) {
    for (int channels : new int[] {1, 17, 64}) {
      try (var tensors = new TestTensors()) {
        var x = tensors.random(SAMPLES, 24, 22, channels);
        var y = tensors.random(SAMPLES, channels);
        var of = " of " + channels + " channels";
        int[] pooled = {12, 11, channels};
        assertSame(
            name,
            tensors,
            "averagePool" + of,
            pooled,
            (b, f, t, o) -> b.averagePool(x.slice(f, t), o));
        int[] resized = {31, 40, channels};
        assertSame(
            name,
            tensors,
            "resizeBilinear" + of,
            resized,
            (b, f, t, o) -> b.resizeBilinear(x.slice(f, t), o));
        int[] mean = {channels};
        assertSame(
            name,
            tensors,
            "meanOfPositions" + of,
            mean,
            (b, f, t, o) -> b.meanOfPositions(x.slice(f, t), o));
        int[] same = {24, 22, channels};
        assertSame(
            name,
            tensors,
            "addPerSample" + of,
            same,
            (b, f, t, o) -> b.addPerSample(x.slice(f, t), y.slice(f, t), o));
      }
    }
  }
}
