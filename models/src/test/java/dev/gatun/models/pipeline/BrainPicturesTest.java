package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What linear layers in bf16 do to the pictures of the bundled models. */
class BrainPicturesTest {
  private static final double LEAST_DECIBELS = 35;
  private static final int COUNT = 4;

  @ParameterizedTest
  @CsvSource({"dit-fruit, 50", "adm-digits, 50", "diffit-digits, 50", "uvit-digits, 25"})
  void thePicturesAreAlike(String name, int steps) throws Exception {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.BF16);
    assumeTrue(reason.isEmpty(), "bf16 was not tested: " + reason);
    byte[] expected = draw(name, steps, Precision.F32);
    byte[] found = draw(name, steps, Precision.BF16);
    double sum = 0;
    for (int i = 0; i < expected.length; i++) {
      int distance = (expected[i] & 0xFF) - (found[i] & 0xFF);
      sum += distance * distance;
    }
    double decibels = 10 * Math.log10(255.0 * 255 * expected.length / Math.max(1, sum));
    var report = String.format(Locale.ROOT, "%s in bf16: PSNR %.1f dB", name, decibels);
    System.getLogger(BrainPicturesTest.class.getName()).log(System.Logger.Level.INFO, report);
    assertTrue(decibels >= LEAST_DECIBELS, report);
  }

  private static byte[] draw(String name, int steps, Precision precision) throws Exception {
    try (var backend = Backend.open(Device.CPU, "cpu", precision, 2);
        var pipeline = ImagePipeline.bundledLoader(name).backend(backend).load()) {
      return pipeline
          .request()
          .classes(0, 1, 2, 3)
          .count(COUNT)
          .seed(4)
          .steps(steps)
          .generate()
          .bytes();
    }
  }
}
