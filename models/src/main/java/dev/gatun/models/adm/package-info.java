/**
 * ADM: "Diffusion Models Beat GANs on Image Synthesis", Dhariwal and Nichol, 2021 (arXiv
 * 2105.05233): a convolutional UNet with attention, its super-resolution variant, and the
 * classifier of noisy images whose gradient guides it.
 *
 * <p>{@link dev.gatun.models.adm.Backbone} holds the constructor arguments that the networks share;
 * the order of their blocks follows from it once, for state dict, cost and network alike.
 */
package dev.gatun.models.adm;
