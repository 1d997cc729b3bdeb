package dev.gatun.models.vae;

/**
 * Whether a large picture is encoded or decoded in tiles that overlap by a quarter and are blended
 * there, as diffusers does. Each tile is computed as if it were the whole picture, so the result
 * differs a little: normalisation and attention see a tile only. It bounds the memory, and the time
 * of the attention, which grows with the square of the area.
 */
public enum Tiling {
  /** Only for pictures of more than 1024×1024 pixels. */
  AUTOMATIC,
  /** For every picture that is larger than a tile. */
  ALWAYS,
  /** For none. */
  NEVER
}
