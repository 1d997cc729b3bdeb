/**
 * Random numbers that repeat what PyTorch draws, so that a seed gives the same picture.
 *
 * <p>Logarithms, sines and cosines come from strict arithmetic, not from the machine: a seed gives
 * the same bits on every machine. Filling an array allocates nothing.
 */
package dev.gatun.runtime.random;
