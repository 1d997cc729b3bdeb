package dev.gatun.models.adm;

/** What a module does to height and width. */
enum Resize {
  NONE,
  DOWN,
  UP;

  /** Height or width afterwards. */
  int of(int extent) {
    return switch (this) {
      case NONE -> extent;
      case DOWN -> extent / 2;
      case UP -> 2 * extent;
    };
  }
}
