package dev.gatun.runtime.cpu;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width that all kernels of this JVM use, as constants: a species that is a parameter
 * costs 35 times as much as one that the compiler knows (a method that has seen two widths boxes
 * its vectors).
 *
 * <p>{@code -Dgatun.cpu.vectorBits=128|256|512} forces a width, so that one machine can test all of
 * them.
 */
final class Lanes {
  /** The species of every float kernel. */
  static final VectorSpecies<Float> F32 = species();

  /** Floats per vector. */
  static final int COUNT = F32.length();

  /** Bytes per vector. */
  static final int BYTES = F32.vectorByteSize();

  /** Byte order of every segment. */
  static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

  private Lanes() {}

  private static VectorSpecies<Float> species() {
    int bits = Integer.getInteger("gatun.cpu.vectorBits", 0);
    return switch (bits) {
      case 0 ->
          FloatVector.SPECIES_PREFERRED.vectorBitSize() > 512
              ? FloatVector.SPECIES_512 // no kernel is written for more
              : FloatVector.SPECIES_PREFERRED;
      case 128, 256, 512 -> VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
      default ->
          throw new IllegalArgumentException(
              "gatun.cpu.vectorBits is " + bits + ": give 128, 256 or 512, or leave it out");
    };
  }
}
