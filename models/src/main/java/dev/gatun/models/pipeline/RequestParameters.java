package dev.gatun.models.pipeline;

import dev.gatun.models.diffusion.X0Correction;
import dev.gatun.models.json.Json;
import dev.gatun.models.json.Json.JsonArray;
import dev.gatun.models.json.Json.JsonString;
import dev.gatun.models.pipeline.SamplingDefaults.Guidance;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** What would make the pictures of a request again, by the names of the command line. */
final class RequestParameters {
  private static final Pattern LINE_ENDS = Pattern.compile("[\\u0085\\u2028\\u2029]");

  private RequestParameters() {}

  static SequencedMap<String, String> of(ImagePipeline pipeline, ImageRequest request) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("model", pipeline.name());
    parameters.put("seed", Long.toString(request.seed));
    parameters.put("count", Integer.toString(request.pictures()));
    if (pipeline.classCount() > 0) {
      parameters.put("classes", classes(request));
    }
    if (!request.texts().isEmpty()) {
      parameters.put("prompts", prompts(request.texts()));
    }
    parameters.put("size", Integer.toString(pipeline.size()));
    parameters.put("rng", text(request.rng));
    if (request.rng != Rng.IMAGE) {
      parameters.put("batch", Integer.toString(request.batch())); // the order of the draws
    }
    putSampler(parameters, request);
    double guidance = request.guidance();
    parameters.put("guidance", Double.toString(guidance));
    if (pipeline.guidance() == Guidance.CLASSIFIER_FREE && guidance != 1) {
      int channels = request.guidanceChannels;
      parameters.put("guidance-channels", channels == 0 ? "all" : Integer.toString(channels));
    }
    putCorrection(parameters, request.correction());
    if (request.lowResolution != null) {
      parameters.put("low-res", request.lowResolution.digest());
    }
    var companions = pipeline.companions().sources();
    companions.forEach((part, source) -> parameters.put(part, source.name()));
    parameters.put("model-digest", pipeline.fingerprint());
    companions.forEach((part, source) -> parameters.put(part + "-digest", source.fingerprint()));
    parameters.put("dtype", pipeline.backend().precision().toString());
    parameters.put("backend", pipeline.backend().name());
    return parameters;
  }

  private static String classes(ImageRequest request) {
    return request.labels().isEmpty()
        ? "all"
        : request.labels().stream().map(String::valueOf).collect(Collectors.joining(","));
  }

  /** As JSON on one line, so that no two lists look alike. */
  private static String prompts(List<String> texts) {
    var json = new JsonArray(texts.stream().<Json>map(JsonString::new).toList()).toString();
    // what a reader may take for the end of a line, or make a blank of
    return LINE_ENDS
        .matcher(json)
        .replaceAll(end -> "\\\\u%04x".formatted((int) end.group().charAt(0)));
  }

  /** The sampler, and of its settings those that were made. */
  private static void putSampler(SequencedMap<String, String> parameters, ImageRequest request) {
    var settings = request.settings;
    parameters.put("sampler", request.sampler);
    parameters.put(
        "steps",
        request.respacing.isEmpty() ? Integer.toString(request.steps()) : request.respacing);
    if (settings.eta() != null) {
      parameters.put("eta", Double.toString(settings.eta()));
    }
    if (settings.churn().amount() > 0) {
      parameters.put("churn", Double.toString(settings.churn().amount()));
    }
    if (settings.order() > 0) {
      parameters.put("order", Integer.toString(settings.order()));
    }
    if (settings.spacing() != null) {
      parameters.put("spacing", text(settings.spacing()));
    }
    if (settings.levels() != null) {
      parameters.put("levels", text(settings.levels()));
    }
  }

  private static void putCorrection(
      SequencedMap<String, String> parameters, X0Correction correction) {
    switch (correction) {
      case X0Correction.None() -> parameters.put("clip", "false");
      case X0Correction.Clamp(double limit) when limit == 1 -> parameters.put("clip", "true");
      case X0Correction.DynamicThresholding(double quantile, double least) when least == 1 ->
          parameters.put("threshold", Double.toString(quantile));
      default -> parameters.put("clip", "by the caller");
    }
  }

  /** A choice as the command line writes it. */
  private static String text(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
