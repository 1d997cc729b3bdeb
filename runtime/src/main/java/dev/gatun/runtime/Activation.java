package dev.gatun.runtime;

/** The pointwise functions of the networks. */
public enum Activation {
  /** x */
  IDENTITY,
  /** x·σ(x), the "swish" of the papers. */
  SILU,
  /** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), as in DiT and DiffiT. */
  GELU_TANH,
  /** ½x(1 + erf(x/√2)), as in U-ViT. */
  GELU_ERF,
  /** x·σ(1.702x), as in CLIP. */
  QUICK_GELU,
  /** max(0, x), in a head of ADM's classifier. */
  RELU
}
