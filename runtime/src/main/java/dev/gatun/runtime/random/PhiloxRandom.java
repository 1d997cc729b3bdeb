package dev.gatun.runtime.random;

import java.util.Objects;

/**
 * The normal numbers of {@code torch.randn} on a CUDA device, for tensors small enough that each
 * element has a thread of its own (256 × the grid: some hundred thousand elements on any current
 * GPU). Larger tensors differ from PyTorch's from the first element without a thread on.
 *
 * <p>The generator is Philox4x32-10 (J. Salmon and others, "Parallel random numbers: as easy as 1,
 * 2, 3", 2011) with the seed as its key. Element i of call number c has the counter (c, 0, i, 0);
 * its first two words give u and v, and the value is {@code √(-2 ln u)·sin v}.
 *
 * <p>The generator is tested against published vectors; that PyTorch uses it this way is common
 * knowledge and has not been tested against hardware.
 */
public final class PhiloxRandom implements RandomSource {
  private static final int ROUNDS = 10;
  private static final long MULTIPLIER_0 = 0xD2511F53L;
  private static final long MULTIPLIER_2 = 0xCD9E8D57L;
  private static final int KEY_STEP_0 = 0x9E3779B9;
  private static final int KEY_STEP_1 = 0xBB67AE85;

  private static final float TWO_PI_F = (float) (2 * Math.PI);

  private final int key0;
  private final int key1;
  private int calls;

  /** As after {@code torch.cuda.manual_seed(seed)}. */
  public PhiloxRandom(long seed) {
    key0 = (int) seed;
    key1 = (int) (seed >>> 32);
  }

  @Override
  public void normal(float[] out, int from, int count) {
    Objects.checkFromIndexSize(from, count, out.length);
    if (count == 0) {
      return; // an empty tensor is no call
    }
    for (int i = 0; i < count; i++) {
      long words = words(calls, 0, i, 0);
      float u = (words >>> 32) * 0x1p-32f + 0x1p-33f;
      float v = (words & 0xFFFFFFFFL) * (TWO_PI_F * 0x1p-32f) + TWO_PI_F * 0x1p-33f;
      float radius = (float) Math.sqrt(-2f * (float) StrictMath.log(u));
      out[from + i] = radius * (float) Turn.sin(v);
    }
    calls++;
  }

  /** The first two of the four words for a counter, the first one high. */
  long words(int c0, int c1, int c2, int c3) {
    int k0 = key0;
    int k1 = key1;
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = MULTIPLIER_0 * (c0 & 0xFFFFFFFFL);
      long product2 = MULTIPLIER_2 * (c2 & 0xFFFFFFFFL);
      c0 = (int) (product2 >>> 32) ^ c1 ^ k0;
      c1 = (int) product2;
      c2 = (int) (product0 >>> 32) ^ c3 ^ k1;
      c3 = (int) product0;
      k0 += KEY_STEP_0;
      k1 += KEY_STEP_1;
    }
    return (long) c0 << 32 | c1 & 0xFFFFFFFFL;
  }
}
