package dev.gatun.models.pipeline;

/** How a pixel of -1 to 1 becomes a byte: each of the authors' scripts does it otherwise. */
public enum Rounding {
  /** {@code ⌊255·clamp((x + 1)/2, 0, 1) + ½⌋}, torchvision's {@code save_image}: DiT, U-ViT. */
  NEAREST,
  /** {@code ⌊clamp((x + 1)·127.5, 0, 255)⌋}: guided-diffusion, DiffiT. */
  DOWN,
  /** {@code ⌊clamp(127.5·x + 128, 0, 255)⌋}: EDM, and DiT's {@code sample_ddp.py}. */
  SHIFTED;

  /** The byte, 0 to 255; 0 for what is no number. */
  public int level(float x) {
    return switch (this) {
      case NEAREST -> (int) (Math.clamp((x + 1) / 2, 0f, 1f) * 255 + 0.5f);
      case DOWN -> (int) Math.clamp((x + 1) * 127.5f, 0f, 255f);
      case SHIFTED -> (int) Math.clamp(127.5f * x + 128, 0f, 255f);
    };
  }
}
