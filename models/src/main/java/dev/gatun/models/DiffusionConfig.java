package dev.gatun.models;

/** The description of a network that a sampler evaluates. */
public interface DiffusionConfig extends NetworkConfig {
  /** What a network can be told about the images. */
  enum Conditioning {
    /** Nothing. */
    NONE,
    /** A class, by its label. */
    LABEL,
    /** The hidden states of a text encoder. */
    TEXT
  }

  /** Height and width of the images, in pixels or latent pixels. */
  int inputSize();

  /** Channels of the noisy images, without those of a picture to be enlarged. */
  int inChannels();

  /** Channels of the output: the prediction, and as many again where the variance is learned. */
  int outChannels();

  /** Rows that its widest products work on for each image: tokens, or pixels. */
  int tokens();

  /** What {@link DiffusionNetwork#forward} takes as the condition. */
  Conditioning conditioning();

  /** Number of classes that can be asked for; 0 without labels. */
  int numClasses();

  /** The label that means "no class", or -1 if there is none. */
  int nullClass();

  /**
   * The same network for images of another size; its position embeddings are interpolated when it
   * is loaded. Beyond what it was trained for this is extrapolation.
   *
   * @throws IllegalArgumentException if the network cannot take that size
   */
  DiffusionConfig withInputSize(int size);
}
