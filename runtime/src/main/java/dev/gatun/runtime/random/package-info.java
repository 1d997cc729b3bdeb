/**
 * Random numbers that repeat what PyTorch draws, so that a seed gives the same picture.
 *
 * <p>Logarithms, sines and cosines are taken with {@link java.lang.StrictMath}: a seed gives the
 * same bits on every machine. Filling an array allocates nothing.
 */
package dev.gatun.runtime.random;
