package dev.gatun.models.adm;

/** How a classifier makes logits of feature maps. */
public enum Pooling {
  /** Attention of the mean over all positions, as in the published classifiers. */
  ATTENTION,
  /** The mean over all positions, and a linear layer. */
  ADAPTIVE,
  /** The means of the results of all blocks, and an MLP with ReLU. */
  SPATIAL,
  /** The same with group normalisation and SiLU. */
  SPATIAL_V2;

  /** Width of the hidden layer of the two spatial ones. */
  static final int HIDDEN = 2048;
}
