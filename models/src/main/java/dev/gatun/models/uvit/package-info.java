/**
 * U-ViT: Bao et al., "All are Worth Words: A ViT Backbone for Diffusion Models" (2023),
 * arXiv:2209.12152.
 */
package dev.gatun.models.uvit;
