/**
 * Tensors and the operator contract.
 *
 * <p>Everything is channels last: a feature map is {@code [N, H, W, C]}, a token sequence {@code
 * [N, L, C]}, which are the same bytes when {@code L = H·W}. {@link dev.gatun.runtime.Backend} is
 * the one contract that networks and samplers are written against.
 */
package dev.gatun.runtime;
