package dev.gatun.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.json.Json.JsonString;
import dev.gatun.runtime.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * {@code gatun info} of files with the keys and shapes of the published ones, holes for numbers;
 * and {@code gatun bench} of published sizes.
 */
class PublishedModelsTest {
  @TempDir Path folder;

  private String file(String name, String preset) throws IOException {
    return TestFiles.sparse(folder.resolve(name), TestFiles.published(preset)).toString();
  }

  @ParameterizedTest
  @CsvSource({
    "DiT-XL/2-256, DiT-XL-2-256x256.pt, dit, DiT-XL/2-256, latent, linear, epsilon, ddpm, 250, 4, sd-vae-ft-mse",
    "imagenet256_uvit_huge, x.pth, uvit, imagenet256_uvit_huge, latent, scaled_linear, epsilon, dpm-solver++-fast, 50, 1.4, autoencoder_kl_ema",
    "cifar10_uvit_small, x.pth, uvit, cifar10_uvit_small, pixel, vp, epsilon, em-sde, 1000, 1, ''",
    "mscoco_uvit_small, x.pth, uvit-t2i, mscoco_uvit_small, latent, scaled_linear, epsilon, dpm-solver++-fast, 50, 2, autoencoder_kl",
    "64x64_diffusion, x.pt, adm-unet, 64x64_diffusion, pixel, cosine, epsilon, ddpm, 250, 1, 64x64_classifier",
    "lsun_cat, lsun_cat.pt, adm-unet, lsun_cat, pixel, linear, epsilon, ddpm, 1000, 1, ''",
    "64_256_upsampler, x.pt, adm-superres, 64_256_upsampler, pixel, linear, epsilon, ddpm, 250, 1, ''",
    "DiffiT-512, x.pt, diffit-latent, DiffiT-512, latent, linear, epsilon, ddpm, 250, 1.49, sd-vae-ft-ema",
  })
  void infoTellsTrainingAndSampling(
      String published,
      String name,
      String network,
      String preset,
      String space,
      String schedule,
      String prediction,
      String sampler,
      int steps,
      double guidance,
      String companion)
      throws IOException {
    var file = file(name, published);
    var json = Run.of("info", file, "--json").json();
    assertEquals(name, json.string("file"));
    assertEquals(network, json.string("network"));
    assertEquals("its keys and shapes", json.string("origin"));
    assertEquals(preset, json.string("preset"));
    assertTrue(json.array("candidates").items().contains(new JsonString(preset)));
    assertEquals(
        List.of(
            "space",
            "schedule",
            "train_steps",
            "time",
            "prediction",
            "variance",
            "null_class",
            "latent_scale"),
        List.copyOf(json.object("training").members().keySet()));
    assertEquals(space, json.object("training").string("space"));
    assertEquals(schedule, json.object("training").string("schedule"));
    assertEquals(prediction, json.object("training").string("prediction"));
    var sampling = json.object("sampling");
    assertEquals(
        List.of(
            "sampler",
            "steps",
            "clip",
            "guided_by",
            "guidance",
            "guidance_channels",
            "guidance_power",
            "companion",
            "rounding"),
        List.copyOf(sampling.members().keySet()));
    assertEquals(sampler, sampling.string("sampler"));
    assertEquals(steps, sampling.integer("steps"));
    assertEquals(guidance, sampling.number("guidance"));
    assertEquals(companion, sampling.string("companion"));
    assertTrue(json.array("missing").items().isEmpty());
    assertTrue(json.array("left_over").items().isEmpty());

    var text = Run.of("info", file);
    text.requireDone();
    assertEquals(List.of(preset), TestFiles.labelled(text.out(), "preset"));
    var line = TestFiles.labelled(text.out(), "sampling").getFirst();
    assertTrue(line.startsWith(sampler + ", " + steps + " steps, guidance "), line);
    var training = TestFiles.labelled(text.out(), "training").getFirst();
    assertTrue(training.startsWith(space + " space, " + schedule + " schedule of "), training);
    var works = companion.isEmpty() ? List.of() : List.of(companion);
    assertEquals(works, TestFiles.labelled(text.out(), "works with"));
    assertEquals(List.of("nothing"), TestFiles.labelled(text.out(), "missing"));
  }

  @Test
  void whereFilesAreAlikeInfoNamesTheCandidates() throws IOException {
    var file = file("model.pt", "lsun_cat");
    var json = Run.of("info", file, "--json").json();
    assertEquals("", json.string("preset"));
    assertEquals(5, json.array("candidates").items().size());
    assertFalse(json.has("training"));
    var text = Run.of("info", file);
    text.requireDone();
    var line = TestFiles.labelled(text.out(), "preset").getFirst();
    assertTrue(line.startsWith("one of 256x256_diffusion_uncond, lsun_bedroom, lsun_cat"), line);
    assertTrue(line.endsWith("; --preset decides"), line);
    var said = Run.of("info", file, "--preset", "LSUN_HORSE", "--json").json();
    assertEquals("lsun_horse", said.string("preset"));
    var run = Run.of("generate", file, "--out", folder.resolve("a.png").toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("model.pt: could be any of 256x256_diffusion_uncond");
  }

  @ParameterizedTest
  @CsvSource({
    "kl-f8, autoencoder-kl, '83,653,863'",
    "clip-vit-large-patch14, clip-text, '123,060,480'",
    "256x256_classifier, adm-classifier, '54,096,360'",
  })
  void whatHelpsOthersMakesNoPictures(String preset, String network, String parameters)
      throws IOException {
    var file = file("helper.pt", preset);
    var json = Run.of("info", file, "--json").json();
    assertEquals(network, json.string("network"));
    assertFalse(json.has("preset") || json.has("training") || json.has("sampling"));
    var text = Run.of("info", file);
    text.requireDone();
    assertEquals(List.of(parameters), TestFiles.labelled(text.out(), "parameters"));
    assertTrue(text.out().contains("it makes no pictures by itself"), text.out());
    var run = Run.of("generate", file, "--out", folder.resolve("a.png").toString());
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("helper.pt: is a ");
    run.requireOneSentence("which makes no pictures by itself");
  }

  @Test
  void infoTellsWhatIsMissingAndLeftOver() throws IOException {
    var tensors = TestFiles.published("DiT-S/2");
    tensors.remove("blocks.3.mlp.fc1.bias");
    tensors.put("my.own", Shape.of(2));
    var file = TestFiles.sparse(folder.resolve("faulty.pt"), tensors).toString();
    var json = Run.of("info", file, "--json").json();
    assertEquals("DiT-S/2", json.string("name"));
    assertEquals(List.of(new JsonString("blocks.3.mlp.fc1.bias")), json.array("missing").items());
    assertEquals(List.of(new JsonString("my.own")), json.array("left_over").items());
    var text = Run.of("info", file);
    text.requireDone();
    assertEquals(List.of("blocks.3.mlp.fc1.bias"), TestFiles.labelled(text.out(), "missing"));
    assertEquals(List.of("my.own"), TestFiles.labelled(text.out(), "left over"));
    var bench = Run.of("bench", file, "--steps", "1");
    assertEquals(Main.FAILED, bench.exitCode());
    bench.requireOneSentence("faulty.pt: tensor blocks.3.mlp.fc1.bias is missing");
  }

  /** The work that the papers tell of one evaluation, in G multiply-adds. */
  @ParameterizedTest
  @CsvSource({
    "DiT-S/8, DiT-S/8",
    "cifar10_uvit_small, ''",
    "DiffiT-CIFAR10, DiffiT-CIFAR10",
    "64x64_classifier, ''",
    "clip-vit-large-patch14, ''",
    "dit-fruit, dit-fruit",
    "uvit-digits, uvit-digits",
    "diffit-digits, diffit-digits",
    "adm-digits, adm-digits",
    "adm-digits-classifier, adm-digits-classifier",
  })
  void benchOfEveryFamily(String model, String name) {
    var json = Run.of("bench", model, "--steps", "1", "--json").json();
    if (!name.isEmpty()) {
      assertEquals(name, json.string("model"));
    }
    assertEquals(1, json.integer("steps"));
    assertTrue(json.number("median_s") > 0, json.toString());
    assertTrue(json.number("gflops") > 0, json.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"uvit_nothing", "U-ViT-H/9", "plum", "DiT-S/3", "DiffiT-1024"})
  void benchTellsWhatThereIs(String model) {
    var run = Run.of("bench", model);
    assertEquals(Main.USAGE, run.exitCode(), run.err());
    run.requireOneSentence(model + " is neither a file, nor bundled, nor a published size");
    for (var name :
        List.of(
            "DiT-XL",
            "imagenet256_uvit_huge",
            "DiffiT-CIFAR10",
            "DiffiT-512",
            "256x256_diffusion",
            "64x64_classifier",
            "kl-f8",
            "clip-vit-large-patch14",
            "dit-fruit, uvit-digits")) {
      run.requireOneSentence(name);
    }
  }

  @Test
  void benchOfAFileThatIsNotThere() {
    var run = Run.of("bench", "nothing.pt");
    assertEquals(Main.FAILED, run.exitCode());
    run.requireOneSentence("nothing.pt: there is no such file");
  }
}
