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
 * What products in bf16 and linear layers in bytes do to the pictures of the bundled models. Bytes
 * do most to those with colours and guidance, which amplifies errors; with few linear layers almost
 * nothing.
 */
class PrecisionPicturesTest {
  private static final int COUNT = 4;

  /** The least decibels are 35 in bf16; in bytes what was seen, less some. */
  @ParameterizedTest
  @CsvSource({
    "BF16, dit-fruit, 50, 35",
    "BF16, adm-digits, 50, 35",
    "BF16, diffit-digits, 50, 35",
    "BF16, uvit-digits, 25, 35",
    "I8, dit-fruit, 50, 28",
    "I8, adm-digits, 50, 50",
    "I8, diffit-digits, 50, 46",
    "I8, uvit-digits, 25, 40"
  })
  void thePicturesAreAlike(Precision precision, String name, int steps, double least)
      throws Exception {
    var reason = Backend.unavailable(Device.CPU, "cpu", precision);
    assumeTrue(reason.isEmpty(), precision + " was not tested: " + reason);
    byte[] expected = draw(name, steps, Precision.F32);
    byte[] found = draw(name, steps, precision);
    double sum = 0;
    for (int i = 0; i < expected.length; i++) {
      int distance = (expected[i] & 0xFF) - (found[i] & 0xFF);
      sum += distance * distance;
    }
    double decibels = 10 * Math.log10(255.0 * 255 * expected.length / Math.max(1, sum));
    var report = String.format(Locale.ROOT, "%s in %s: PSNR %.1f dB", name, precision, decibels);
    System.getLogger(PrecisionPicturesTest.class.getName()).log(System.Logger.Level.INFO, report);
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
