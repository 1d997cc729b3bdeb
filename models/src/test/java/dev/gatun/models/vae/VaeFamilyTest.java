package dev.gatun.models.vae;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.gatun.models.GoldenFiles;
import dev.gatun.models.NetworkFamily.Hints;
import dev.gatun.models.ParameterException;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.runtime.Backend;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Device;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What the family recognises, in every layout, and what it says of a file that does not fit. */
class VaeFamilyTest {
  private static final VaeFamily FAMILY = TinyAutoencoder.FAMILY;

  private static List<String> lines(String file) throws IOException {
    return new String(GoldenFiles.bytes("/keys/" + file), StandardCharsets.UTF_8).lines().toList();
  }

  /** A list of "key [extents]". */
  private static SequencedMap<String, Shape> keys(String file) throws IOException {
    var keys = new LinkedHashMap<String, Shape>();
    for (var line : lines(file)) {
      var parts = line.split(" ", 2);
      int[] dims =
          Arrays.stream(parts[1].replaceAll("[\\[\\] ]", "").split(","))
              .mapToInt(Integer::parseInt)
              .toArray();
      keys.put(parts[0], Shape.of(dims));
    }
    return keys;
  }

  @ParameterizedTest
  @CsvSource({
    "vae_kl_f8_ldm.txt, original",
    "vae_kl_f8_diffusers_new_names.txt, diffusers",
    "vae_kl_f8_diffusers_old_names.txt, 'diffusers, old names'"
  })
  void thePublishedFilesAreRecognised(String file, String name) throws IOException {
    var keys = keys(file);
    var layout = FAMILY.layout(keys).orElseThrow();
    assertEquals(name, layout.name());
    var config = FAMILY.infer(keys, Hints.NONE);
    assertEquals(AutoencoderKLConfig.KL_F8, config);
    assertEquals("kl-f8", config.name());
    assertEquals(248, keys.size());
    assertEquals(83_653_863, config.parameters());
    assertEquals(keys, layout.stateDict(config));
  }

  @Test
  void thePartsHaveThePublishedSizes() throws IOException {
    var keys = AutoencoderKLConfig.preset("KL-f8").orElseThrow().stateDict();
    assertEquals(List.copyOf(keys("vae_kl_f8_ldm.txt").keySet()), List.copyOf(keys.keySet()));
    var parts = new HashMap<String, Long>();
    keys.forEach((key, shape) -> parts.merge(key.split("\\.")[0], shape.size(), Long::sum));
    var expected =
        Map.of(
            "encoder", 34_163_592L,
            "decoder", 49_490_179L,
            "quant_conv", 72L,
            "post_quant_conv", 20L);
    assertEquals(expected, parts);
    assertEquals(Optional.empty(), FAMILY.preset("kl-f9"));
  }

  @Test
  void everyNameIsMappedAsPublished() throws IOException {
    for (var line : lines("vae_ldm_to_diffusers_map.txt")) {
      var names = line.split(" \\| ");
      assertEquals(names[0], Naming.ORIGINAL.of(names[0], 4));
      assertEquals(names[1], Naming.DIFFUSERS_OLD.of(names[0], 4));
      assertEquals(names[2], Naming.DIFFUSERS.of(names[0], 4));
    }
  }

  @ParameterizedTest
  @EnumSource(Naming.class)
  void aLatentDiffusionCheckpointHoldsOne(Naming naming) {
    var layout = new VaeLayout(naming, VaeLayout.FIRST_STAGE);
    var keys = new LinkedHashMap<String, Shape>();
    keys.put("betas", Shape.of(1000));
    keys.put("model.diffusion_model.input_blocks.0.0.weight", Shape.of(320, 4, 3, 3));
    keys.put("first_stage_model.loss.logvar", Shape.of());
    keys.putAll(layout.stateDict(AutoencoderKLConfig.KL_F8));
    keys.put("cond_stage_model.transformer.text_model.final_layer_norm.bias", Shape.of(768));
    assertEquals(Optional.of(layout), FAMILY.layout(keys));
    assertEquals(AutoencoderKLConfig.KL_F8, FAMILY.infer(keys, Hints.NONE));
    var left =
        keys.keySet().stream()
            .filter(key -> !layout.stateDict(AutoencoderKLConfig.KL_F8).containsKey(key))
            .filter(key -> !layout.ignored(key))
            .toList();
    assertEquals(List.of(), left);
    assertFalse(layout.ignored("first_stage_model.decoder.up.4.block.0.conv1.weight"));
  }

  @Test
  void lossesAreIgnoredAndNothingElse() throws IOException {
    var keys = keys("vae_kl_f8_ldm.txt");
    var layout = FAMILY.layout(keys).orElseThrow();
    assertTrue(layout.ignored("loss.discriminator.main.0.weight"));
    assertFalse(layout.ignored("encoder.down.4.attn.0.q.weight"));
    assertFalse(layout.ignored("quantize.embedding.weight"));
  }

  @Test
  void otherNetworksAreNone() throws IOException {
    assertEquals(Optional.empty(), FAMILY.layout(keys("dit_s2_256.txt")));
    var e =
        assertThrows(
            ParameterException.class, () -> FAMILY.infer(keys("dit_s2_256.txt"), Hints.NONE));
    assertTrue(e.getMessage().contains("decoder.mid.attn_1.q.weight is missing"), e.getMessage());
  }

  /** The golden's weights under the names of another layout give the same bits. */
  @ParameterizedTest
  @EnumSource(Naming.class)
  void everyLayoutLoads(Naming naming) throws IOException {
    var config = TinyAutoencoder.config();
    var z = Map.of("z", TinyAutoencoder.golden().get("z"));
    try (var backend = Backend.open(Device.CPU, "cpu", 2);
        var network = TinyAutoencoder.load(backend);
        var expected = network.evaluate(z).get("image")) {
      for (var prefix : List.of("", VaeLayout.FIRST_STAGE)) {
        var file = renamed(new VaeLayout(naming, prefix));
        var inferred = FAMILY.infer(file.shapes(), Hints.NONE);
        assertEquals(config.stateDict(), inferred.stateDict());
        try (var other = TinyAutoencoder.load(inferred, file, backend);
            var image = other.evaluate(z).get("image")) {
          assertArrayEquals(expected.toFloats(), image.toFloats(), naming + " " + prefix);
        }
      }
    }
  }

  private static TensorParameters renamed(VaeLayout to) throws IOException {
    var config = TinyAutoencoder.config();
    var file = TinyAutoencoder.file();
    var original = FAMILY.layout(file.shapes()).orElseThrow().adapt(config, file);
    var shapes = to.stateDict(config).values().iterator();
    var tensors = new LinkedHashMap<String, Tensor>();
    config
        .stateDict()
        .forEach(
            (key, shape) -> {
              assertTrue(original.has(key), key);
              var stored = shapes.next();
              tensors.put(
                  to.key(key, config.levels()),
                  original.read(key, shape, tensor -> tensor.reshape(stored)));
            });
    return new TensorParameters(tensors);
  }

  @ParameterizedTest
  @EnumSource(Naming.class)
  void aMissingOrMisshapenTensorIsNamedAsTheFileNamesIt(Naming naming) throws IOException {
    var config = TinyAutoencoder.config();
    var layout = new VaeLayout(naming, "");
    var whole = renamed(layout).tensors();
    try (var backend = Backend.open(Device.CPU, "reference", 1)) {
      for (var key : whole.keySet()) {
        var tensors = new LinkedHashMap<>(whole);
        tensors.remove(key);
        refused(config, layout, tensors, backend, "tensor " + key + " is missing");
        var shape = whole.get(key).shape();
        int[] dims = shape.dims();
        dims[0]++;
        tensors.put(key, Tensor.allocate(DType.F32, Shape.of(dims)));
        refused(
            config,
            layout,
            tensors,
            backend,
            "tensor " + key + " is " + Shape.of(dims) + ", the description says " + shape);
      }
    }
  }

  private static void refused(
      AutoencoderKLConfig config,
      VaeLayout layout,
      Map<String, Tensor> tensors,
      Backend backend,
      String sentence) {
    var parameters = layout.adapt(config, new TensorParameters(tensors));
    var e =
        assertThrows(
            ParameterException.class, () -> FAMILY.load(config, parameters, backend), sentence);
    assertEquals(sentence, e.getMessage());
  }

  /** What inference reads, it says where it does not fit; the rest is found by {@code load}. */
  @Test
  void inferenceNamesWhatItCannotRead() throws IOException {
    misshapen("encoder.conv_in.weight", null, "encoder.conv_in.weight is missing");
    misshapen("quant_conv.weight", Shape.of(8, 8), "quant_conv.weight is [8, 8], expected 4 axes");
    misshapen("encoder.conv_out.weight", Shape.of(3, 512, 3, 3), "has 3 rows, expected means");
    misshapen(
        "encoder.down.0.block.0.conv1.weight", null, "down.0.block.0.conv1.weight is missing");
    misshapen(
        "encoder.down.1.block.0.conv1.weight",
        Shape.of(250, 128, 3, 3),
        "holds 250, which is not a multiple of norm_num_groups 32; give --config");
  }

  private static void misshapen(String key, Shape shape, String fact) throws IOException {
    var keys = keys("vae_kl_f8_ldm.txt");
    keys.remove(key);
    if (shape != null) {
      keys.put(key, shape);
    }
    var e = assertThrows(ParameterException.class, () -> FAMILY.infer(keys, Hints.NONE));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  private static AutoencoderKLConfig describe(String json) {
    return FAMILY.describe((JsonObject) Json.parse(json));
  }

  @Test
  void descriptionsOfBothOriginsAreRead() {
    assertEquals(List.of("autoencoder-kl", "AutoencoderKL"), FAMILY.models());
    var diffusers =
        """
        {"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
         "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
         "out_channels": 3, "sample_size": 256}
        """;
    assertEquals(AutoencoderKLConfig.KL_F8, describe(diffusers));
    var ldm =
        """
        {"model": "autoencoder-kl", "embed_dim": 4, "ddconfig": {"double_z": true, "z_channels": 4,
         "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128, "ch_mult": [1, 2, 4, 4],
         "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}}
        """;
    assertEquals(AutoencoderKLConfig.KL_F8, describe(ldm));
    var flat =
        """
        {"model": "autoencoder-kl", "embed_dim": 3, "z_channels": 5, "ch": 32, "ch_mult": [1, 2],
         "num_res_blocks": 1, "scale_factor": 0.2301}
        """;
    var own = new AutoencoderKLConfig(3, 3, List.of(32, 64), 1, 5, 3, 32, 256, 0.2301);
    assertEquals(own, describe(flat));
    assertEquals("KL autoencoder, widths [32, 64]", own.name());
    assertEquals(Shape.of(6, 10, 1, 1), own.stateDict().get("quant_conv.weight"));
    assertEquals(Shape.of(5, 3, 1, 1), own.stateDict().get("post_quant_conv.weight"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          {}                                                            | 'block_out_channels' is missing
          {"block_out_channels": []}                                    | the number of block_out_channels is 0
          {"block_out_channels": [32, 0]}                               | is 0, expected 1 to
          {"block_out_channels": [100000]}                              | is 100000, expected 1 to
          {"block_out_channels": [9223372036854775807]}                 | is 2147483647, expected 1 to
          {"block_out_channels": [32,32,32,32,32,32,32,32,32]}          | the number of block_out_channels is 9
          {"block_out_channels": [48]}                                  | 48, which is not a multiple of norm_num_groups 32
          {"block_out_channels": [32], "norm_num_groups": 0}            | norm_num_groups is 0
          {"block_out_channels": [32], "layers_per_block": 1000000000}  | layers_per_block is 1000000000
          {"block_out_channels": [32], "latent_channels": -1}           | latent_channels is -1
          {"block_out_channels": [32], "sample_size": 0}                | sample_size is 0
          {"block_out_channels": [32], "scaling_factor": 0}             | scaling_factor is 0.0
          {"block_out_channels": [32], "use_quant_conv": false}         | 'use_quant_conv' is false
          {"block_out_channels": [32], "mid_block_add_attention": false} | only autoencoders with true
          {"block_out_channels": [32], "shift_factor": 0.1}             | 'shift_factor' is 0.1
          {"block_out_channels": [32], "act_fn": "gelu"}                | 'act_fn' is "gelu"
          {"ch": 32, "ch_mult": [2, 4], "num_res_blocks": 1, "z_channels": 4} | does not begin with 1
          {"ch": 2000000000, "ch_mult": [1, 2000000000], "num_res_blocks": 1, "z_channels": 4} | is 2000000000, expected
          {"ch": 32, "ch_mult": [1], "num_res_blocks": 1, "z_channels": 4, "attn_resolutions": [16]} | 'attn_resolutions'
          {"ch": 32, "ch_mult": [1], "num_res_blocks": 1, "z_channels": 4, "double_z": false} | 'double_z' is false
          {"ch": 32, "ch_mult": [1], "z_channels": 4}                   | 'num_res_blocks' is missing
          """)
  void whatNoAutoencoderHasIsNamed(String json, String fact) {
    var e = assertThrows(IllegalArgumentException.class, () -> describe(json));
    assertTrue(e.getMessage().contains(fact), e.getMessage());
  }

  /** U-ViT counts 312 Gflops for the autoencoder. */
  @Test
  void multiplyAddsAreThoseOfADecode() {
    long one = AutoencoderKLConfig.KL_F8.multiplyAdds(1);
    assertEquals(311, one * 1e-9, 2);
    assertEquals(3 * one, AutoencoderKLConfig.KL_F8.multiplyAdds(3));
  }
}
