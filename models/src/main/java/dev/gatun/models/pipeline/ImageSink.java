package dev.gatun.models.pipeline;

import java.io.IOException;

/**
 * Takes the pictures of a request as soon as they are finished, so that no number of them fills the
 * memory, and says which of them are there already.
 */
@FunctionalInterface
public interface ImageSink {
  /**
   * Whether a picture is still to be made; asked for each before the work begins. Under {@link
   * Rng#IMAGE} a picture depends on the seed and its number alone, so that a request can be taken
   * up where it was left; where one generator draws for all, the pictures before a wanted one are
   * computed, but not handed over.
   *
   * @param index number of the picture, from 0
   */
  default boolean wants(int index) {
    return true;
  }

  /**
   * A picture is finished.
   *
   * @param index number of the picture
   * @param image this one picture
   * @throws IOException if it could not be kept; ends the request
   */
  void accept(int index, GeneratedImages image) throws IOException;
}
