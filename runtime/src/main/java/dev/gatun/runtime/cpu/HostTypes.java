package dev.gatun.runtime.cpu;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** How the 16-bit types lie in memory: little-endian, at any address. */
final class HostTypes {
  static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private HostTypes() {}
}
