package dev.gatun.runtime.cpu;

import dev.gatun.runtime.ConvKernel;

/** A kernel that {@link Winograd} can read, however it is stored. */
interface PanelKernel extends ConvKernel {
  /**
   * Copies some channels of a tap for {@link MicroKernel#WIDTH} results, {@code [channels][WIDTH]}.
   *
   * @param panel which results
   * @param tap of height·width, line by line
   * @param channel the first one
   * @param to where they go, from index {@code at} on
   */
  void copyTap(int panel, int tap, int channel, int channels, float[] to, int at);
}
