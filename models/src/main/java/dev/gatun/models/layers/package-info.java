/**
 * The layers that the networks share. A layer is made from {@link dev.gatun.models.layers.Weights}
 * and a key prefix, owns nothing itself, and writes its result where the caller says.
 */
package dev.gatun.models.layers;
