package dev.gatun.runtime;

/** The oracle of int8: rows of numbers as bytes, each with a scale, and their products by loops. */
public record Quantised(int[][] bytes, float[] scales) {
  /** Rounds the rows of a contiguous tensor. */
  public static Quantised of(Tensor x) {
    int count = Math.toIntExact(x.shape().rows());
    int length = x.shape().cols();
    int[][] bytes = new int[count][length];
    float[] scales = new float[count];
    for (int r = 0; r < count; r++) {
      float most = 0x1p-100f;
      boolean finite = true;
      for (int i = 0; i < length; i++) {
        float value = x.getFloat((long) r * length + i);
        finite &= Float.isFinite(value);
        most = Math.max(most, Math.abs(value));
      }
      scales[r] = finite ? most / 127 : Float.NaN;
      for (int i = 0; i < length; i++) {
        bytes[r][i] = (int) Math.rint(x.getFloat((long) r * length + i) * (127 / most));
      }
    }
    return new Quantised(bytes, scales);
  }

  /** Row r of this by row n of the weight. */
  public float product(int r, Quantised weight, int n, float bias) {
    long sum = 0;
    for (int i = 0; i < bytes[r].length; i++) {
      sum += (long) bytes[r][i] * weight.bytes[n][i];
    }
    return Math.fma((float) sum, scales[r] * weight.scales[n], bias);
  }
}
