/**
 * Diffusion: noise schedules, samplers and guidance.
 *
 * <p>A sampler sees a network as a {@link dev.gatun.models.diffusion.Denoiser} and computes with
 * operators of {@link dev.gatun.runtime.Backend} only, so it runs on every device. Scalars and
 * tables are double, states f32, channels last.
 */
package dev.gatun.models.diffusion;
