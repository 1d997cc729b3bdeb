package dev.gatun.models.diffit;

/** The bounds of constructor arguments: what is beyond them is a broken description. */
final class Ranges {
  static final int MAX_DEPTH = 1000;
  static final int MAX_EXTENT = 1 << 16;
  static final int MAX_CLASSES = 1 << 24;

  private Ranges() {}

  /**
   * Refuses a value outside of its range.
   *
   * @param name of the argument in a description
   */
  static void require(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + " is " + value + ", expected " + least + " to " + most);
    }
  }

  /** Refuses the hidden width of an MLP that is none. */
  static void requireMlp(double ratio, int width) {
    if (!(ratio > 0 && ratio <= 64)) {
      throw new IllegalArgumentException(
          "mlp_ratio is " + ratio + ", expected more than 0 and at most 64");
    }
    if (ratio * width < 1) {
      throw new IllegalArgumentException(
          "mlp_ratio " + ratio + " leaves an MLP of width " + width + " no hidden width");
    }
  }
}
