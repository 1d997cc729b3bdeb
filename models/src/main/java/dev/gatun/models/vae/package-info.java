/**
 * The KL autoencoder of "High-Resolution Image Synthesis with Latent Diffusion Models", Rombach et
 * al., 2022 (arXiv 2112.10752): the way from pictures to the latents that DiT, U-ViT and DiffiT
 * denoise, and back.
 */
package dev.gatun.models.vae;
