package dev.gatun.runtime.cpu.asm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The bytes of code so far, and where the places of labels are still to be filled in. */
final class CodeBuffer {
  private byte[] bytes = new byte[1024];
  private int size;
  private final List<Reference> references = new ArrayList<>();

  /**
   * 32 bits that become the distance of a label.
   *
   * @param position of the 32 bits
   * @param end from where the processor measures: the end of the instruction
   * @param displacement what is added
   */
  private record Reference(Label label, int position, int end, int displacement) {}

  int size() {
    return size;
  }

  void put8(int value) {
    if (size == bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.multiplyExact(size, 2));
    }
    bytes[size++] = (byte) value;
  }

  void put32(int value) {
    for (int shift = 0; shift < 32; shift += 8) {
      put8(value >> shift);
    }
  }

  void put64(long value) {
    put32((int) value);
    put32((int) (value >> 32));
  }

  /**
   * The distance of a label + displacement from the end of the instruction.
   *
   * @param trailing bytes of the instruction after these 32 bits
   */
  void put32(Label label, int displacement, int trailing) {
    references.add(new Reference(label, size, size + 4 + trailing, displacement));
    put32(0);
  }

  void check(Label label) {
    Operands.require(label.isIn(this), "label %s is of another assembler", label);
  }

  /** A copy, with the distances of all labels. */
  byte[] finish() {
    var result = Arrays.copyOf(bytes, size);
    for (var reference : references) {
      if (!reference.label.isBound()) {
        throw new IllegalStateException(
            "the label used at byte %d is not bound: bind it".formatted(reference.position));
      }
      long distance = (long) reference.label.position() + reference.displacement - reference.end;
      if (distance != (int) distance) {
        throw new IllegalStateException(
            "byte %d is out of the reach of its label".formatted(reference.position));
      }
      for (int i = 0; i < 4; i++) {
        result[reference.position + i] = (byte) (distance >> 8 * i);
      }
    }
    return result;
  }
}
