/**
 * DiT: "Scalable Diffusion Models with Transformers", Peebles and Xie, 2022 (arXiv 2212.09748),
 * with adaLN-Zero blocks as in the released code.
 */
package dev.gatun.models.dit;
