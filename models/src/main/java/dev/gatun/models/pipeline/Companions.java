package dev.gatun.models.pipeline;

import dev.gatun.models.adm.AdmClassifier;
import dev.gatun.models.clip.ClipText;
import dev.gatun.models.vae.AutoencoderKL;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Stream;

/** The other models that a pipeline works with; each may be missing. Filled while it is loaded. */
final class Companions implements AutoCloseable {
  /**
   * The file of a part.
   *
   * @param name of the file
   * @param fingerprint of what it holds
   */
  record Source(String name, String fingerprint) {}

  private final SequencedMap<String, Source> sources = new LinkedHashMap<>();
  AutoencoderKL autoencoder;
  ClipText text;
  AdmClassifier classifier;
  ImagePipeline upsampler;

  /** Notes which file was loaded for a part, by the name of the command line's option. */
  void note(String part, String file, String fingerprint) {
    sources.put(part, new Source(file, fingerprint));
  }

  /** Pixels along the side of what the network counts in. */
  int factor() {
    return autoencoder == null ? 1 : autoencoder.config().factor();
  }

  /** The files by part. */
  SequencedMap<String, Source> sources() {
    return sources;
  }

  @Override
  public void close() {
    ImagePipeline.closeAll(
        Stream.of(autoencoder, text, classifier, upsampler).filter(part -> part != null).toList());
  }
}
