package dev.gatun.runtime.cuda;

import java.util.Locale;

/**
 * A GPU, as its driver describes it.
 *
 * @param index its number among the visible ones, from 0
 * @param name NVIDIA's name, such as {@code NVIDIA H100 80GB HBM3}
 * @param major first part of the compute capability
 * @param minor second part of it
 * @param multiprocessors how many
 * @param bytes of its memory
 */
record Gpu(int index, String name, int major, int minor, int multiprocessors, long bytes) {
  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%s (compute capability %d.%d, %d multiprocessors, %.0f GiB)",
        name,
        major,
        minor,
        multiprocessors,
        bytes * 0x1p-30);
  }
}
