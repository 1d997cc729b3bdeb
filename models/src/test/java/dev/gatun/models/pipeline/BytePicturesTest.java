package dev.gatun.models.pipeline;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.runtime.Backend;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Precision;
import java.util.Locale;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What linear layers in bytes do to the pictures of the bundled models: most with colours and
 * guidance, which amplifies errors; with few linear layers almost nothing.
 */
class BytePicturesTest {
  private static final int COUNT = 4;

  @ParameterizedTest
  @CsvSource({
    "dit-fruit, 50, 28",
    "adm-digits, 50, 50",
    "diffit-digits, 50, 40",
    "uvit-digits, 25, 40"
  })
  void thePicturesAreAlike(String name, int steps, double least) throws Exception {
    var reason = Backend.unavailable(Device.CPU, "cpu", Precision.I8);
    assumeTrue(reason.isEmpty(), "i8 was not tested: " + reason);
    byte[] expected = draw(name, steps, Precision.F32);
    byte[] found = draw(name, steps, Precision.I8);
    double sum = 0;
    for (int i = 0; i < expected.length; i++) {
      int distance = (expected[i] & 0xFF) - (found[i] & 0xFF);
      sum += distance * distance;
    }
    double decibels = 10 * Math.log10(255.0 * 255 * expected.length / Math.max(1, sum));
    var report = String.format(Locale.ROOT, "%s in i8: PSNR %.1f dB", name, decibels);
    System.getLogger(BytePicturesTest.class.getName()).log(System.Logger.Level.INFO, report);
    assertTrue(decibels >= least, report);
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
