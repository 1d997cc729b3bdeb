package dev.gatun.models.pipeline;

import dev.gatun.models.adm.AdmClassifier;
import dev.gatun.models.clip.ClipText;
import dev.gatun.models.vae.AutoencoderKL;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Stream;

/** The other models that a pipeline works with; each may be missing. Filled while it is loaded. */
final class Companions implements AutoCloseable {
  private final SequencedMap<String, String> names = new LinkedHashMap<>();
  AutoencoderKL autoencoder;
  ClipText text;
  AdmClassifier classifier;
  ImagePipeline upsampler;

  /** Notes which file was loaded for a part, by the name of the command line's option. */
  void name(String part, String file) {
    names.put(part, file);
  }

  /** Pixels along the side of what the network counts in. */
  int factor() {
    return autoencoder == null ? 1 : autoencoder.config().factor();
  }

  /** The files by part. */
  SequencedMap<String, String> names() {
    return names;
  }

  @Override
  public void close() {
    ImagePipeline.closeAll(
        Stream.of(autoencoder, text, classifier, upsampler).filter(part -> part != null).toList());
  }
}
