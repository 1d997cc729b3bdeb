package dev.gatun.models.adm;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The networks that OpenAI published with guided-diffusion, by the names of their files. The shapes
 * of a file show neither how many heads there are nor in what order qkv lies: it is the (heads, 3,
 * size) of the older attention everywhere but in {@code 64x64_diffusion}.
 */
final class Presets {
  private static final int CLASSES = 1000;

  static final Published<AdmConfig> UNETS = unets();
  static final Published<ClassifierConfig> CLASSIFIERS = classifiers();

  private Presets() {}

  private static Published<AdmConfig> unets() {
    var nets = new LinkedHashMap<String, AdmConfig>();
    var at64 = backbone(192, mult(64), 3, 1, 64, true, 2, 4, 8);
    var at128 = backbone(256, mult(128), 2, 4, 0, false, 4, 8, 16);
    var at256 = backbone(256, mult(256), 2, 1, 64, false, 8, 16, 32);
    var at512 = backbone(256, mult(512), 2, 1, 64, false, 16, 32, 64);
    var to256 = backbone(192, mult(256), 2, 4, 0, false, 8, 16, 32);
    var to512 = backbone(192, mult(256), 2, 1, 64, false, 16, 32);
    nets.put("64x64_diffusion", new AdmConfig(64, 3, 6, CLASSES, false, at64));
    nets.put("128x128_diffusion", new AdmConfig(128, 3, 6, CLASSES, false, at128));
    nets.put("256x256_diffusion", new AdmConfig(256, 3, 6, CLASSES, false, at256));
    nets.put("512x512_diffusion", new AdmConfig(512, 3, 6, CLASSES, false, at512));
    nets.put("64_256_upsampler", new AdmConfig(256, 3, 6, CLASSES, true, to256));
    nets.put("128_512_upsampler", new AdmConfig(512, 3, 6, CLASSES, true, to512));
    for (var unconditional :
        List.of(
            "256x256_diffusion_uncond",
            "lsun_bedroom",
            "lsun_cat",
            "lsun_horse",
            "lsun_horse_nodropout")) {
      nets.put(unconditional, new AdmConfig(256, 3, 6, 0, false, at256));
    }
    return new Published<>(
        nets,
        Map.of(
            "64x64_diffusion", "ADM-64",
            "128x128_diffusion", "ADM-128",
            "256x256_diffusion", "ADM-256",
            "512x512_diffusion", "ADM-512",
            "256x256_diffusion_uncond", "ADM-256-uncond",
            "64_256_upsampler", "ADM-64-256",
            "128_512_upsampler", "ADM-128-512"));
  }

  private static Published<ClassifierConfig> classifiers() {
    var nets = new LinkedHashMap<String, ClassifierConfig>();
    nets.put("64x64_classifier", classifier(64, 4, 2, 4, 8));
    nets.put("128x128_classifier", classifier(128, 2, 4, 8, 16));
    nets.put("256x256_classifier", classifier(256, 2, 8, 16, 32));
    nets.put("512x512_classifier", classifier(512, 2, 16, 32, 64));
    return new Published<>(
        nets,
        Map.of(
            "64x64_classifier", "ADM-64-classifier",
            "128x128_classifier", "ADM-128-classifier",
            "256x256_classifier", "ADM-256-classifier",
            "512x512_classifier", "ADM-512-classifier"));
  }

  private static ClassifierConfig classifier(int size, int depth, int... attention) {
    var net = backbone(128, mult(size), depth, 1, 64, false, attention);
    return new ClassifierConfig(size, 3, CLASSES, Pooling.ATTENTION, net);
  }

  private static Backbone backbone(
      int width,
      List<Double> mult,
      int depth,
      int heads,
      int headChannels,
      boolean newOrder,
      int... attention) {
    var rates = Arrays.stream(attention).boxed().toList();
    return new Backbone(width, mult, depth, rates, heads, headChannels, true, true, true, newOrder);
  }

  /**
   * The multipliers that the authors' scripts take for a picture size; empty where they have none.
   */
  static List<Double> mult(int imageSize) {
    return switch (imageSize) {
      case 64 -> List.of(1.0, 2.0, 3.0, 4.0);
      case 128 -> List.of(1.0, 1.0, 2.0, 3.0, 4.0);
      case 256 -> List.of(1.0, 1.0, 2.0, 2.0, 4.0, 4.0);
      case 512 -> List.of(0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0);
      default -> List.of();
    };
  }

  /** The same for the size that an upsampler enlarges to. */
  static List<Double> enlargingMult(int imageSize) {
    return switch (imageSize) {
      case 64 -> mult(64);
      case 256, 512 -> mult(256);
      default -> List.of();
    };
  }
}
