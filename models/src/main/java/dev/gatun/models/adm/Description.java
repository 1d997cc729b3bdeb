package dev.gatun.models.adm;

import dev.gatun.models.json.Json.JsonNumber;
import dev.gatun.models.json.Json.JsonObject;
import dev.gatun.models.json.JsonException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Networks as JSON describes them: the authors' constructor arguments, with their defaults. */
final class Description {
  private Description() {}

  static AdmConfig unet(JsonObject json) {
    boolean superRes = json.string("model", "adm-unet").equals("adm-superres");
    int size = json.integer("image_size");
    return new AdmConfig(
        size,
        json.integer("in_channels"),
        json.integer("out_channels"),
        json.integer("num_classes", 0),
        superRes,
        backbone(json, superRes ? Presets.enlargingMult(size) : Presets.mult(size)));
  }

  static ClassifierConfig classifier(JsonObject json) {
    int size = json.integer("image_size");
    var pool = json.string("pool", "adaptive");
    return new ClassifierConfig(
        size,
        json.integer("in_channels"),
        json.integer("out_channels"),
        Arrays.stream(Pooling.values())
            .filter(known -> known.name().toLowerCase(Locale.ROOT).equals(pool))
            .findFirst()
            .orElseThrow(
                () ->
                    new JsonException(
                        "key 'pool' is '%s', expected attention, adaptive, spatial or spatial_v2"
                            .formatted(pool))),
        backbone(json, Presets.mult(size)));
  }

  private static Backbone backbone(JsonObject json, List<Double> defaultMult) {
    return new Backbone(
        json.integer("model_channels"),
        json.has("channel_mult") || defaultMult.isEmpty()
            ? numbers(json, "channel_mult")
            : defaultMult,
        json.integer("num_res_blocks"),
        rates(json),
        json.integer("num_heads", 1),
        Math.max(0, json.integer("num_head_channels", 0)), // the authors' -1 is none
        json.bool("use_scale_shift_norm", false),
        json.bool("resblock_updown", false),
        json.bool("conv_resample", true),
        json.bool("use_new_attention_order", false));
  }

  private static List<Integer> rates(JsonObject json) {
    var rates = new ArrayList<Integer>();
    for (long rate : json.longs("attention_resolutions")) {
      rates.add(Math.clamp(rate, Integer.MIN_VALUE, Integer.MAX_VALUE));
    }
    return rates;
  }

  private static List<Double> numbers(JsonObject json, String key) {
    var numbers = new ArrayList<Double>();
    for (var item : json.array(key).items()) {
      if (!(item instanceof JsonNumber number)) {
        throw new JsonException("key '" + key + "' holds " + item.kind() + ", expected numbers");
      }
      numbers.add(number.toDouble());
    }
    return numbers;
  }
}
