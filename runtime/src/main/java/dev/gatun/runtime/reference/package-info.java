/**
 * The reference backend: plain scalar loops that can be read beside the formulas. The oracle of
 * every operator test, and the fallback where nothing faster works.
 */
package dev.gatun.runtime.reference;
