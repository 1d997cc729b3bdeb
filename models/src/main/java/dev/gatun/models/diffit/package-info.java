/**
 * DiffiT: "DiffiT: Diffusion Vision Transformers for Image Generation", Hatamizadeh, Song, Liu,
 * Kautz and Vahdat, 2023 (arXiv 2312.02139): the latent model as released, and the U-shaped model
 * of images after the paper.
 */
package dev.gatun.models.diffit;
