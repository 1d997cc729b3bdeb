/**
 * Diffusion: noise schedules, samplers and guidance.
 *
 * <p>A sampler sees a network as a {@link dev.gatun.models.diffusion.Denoiser} and computes with
 * operators of {@link dev.gatun.runtime.Backend} only, so it runs on every device. Scalars and
 * tables are double, states f32, channels last.
 *
 * <p>There are three views of the noise, and samplers of each: the steps of a {@link
 * dev.gatun.models.diffusion.NoiseSchedule} (DDPM, DDIM), the continuous time of a {@link
 * dev.gatun.models.diffusion.NoiseCurve} (DPM-Solver, Euler–Maruyama), and the noise levels of a
 * {@link dev.gatun.models.diffusion.SigmaSchedule} (EDM, k-diffusion). {@link
 * dev.gatun.models.diffusion.Samplers} shows a network of any {@linkplain
 * dev.gatun.models.diffusion.DiffusionProcess kind} to a sampler of any.
 */
package dev.gatun.models.diffusion;
