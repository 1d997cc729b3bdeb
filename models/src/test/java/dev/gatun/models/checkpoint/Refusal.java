package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * A file that must be refused, and what the sentence must say.
 *
 * @param what number of the case in the list of hostile files, and what it is
 */
record Refusal(String what, Supplier<byte[]> file, String... facts) {
  static final String NAME = "bad.ckpt";

  static Refusal of(String what, byte[] file, String... facts) {
    return new Refusal(what, () -> file, facts);
  }

  void check() {
    byte[] bytes = file.get();
    var e = assertThrows(CheckpointException.class, () -> image(bytes).close(), what);
    sentence(e, NAME, facts);
  }

  /** Opens bytes in memory. */
  static Checkpoint image(byte[] bytes) throws CheckpointException {
    return Checkpoint.of(NAME, offHeap(bytes));
  }

  static MemorySegment offHeap(byte[] bytes) {
    var segment = Arena.ofAuto().allocate(bytes.length);
    MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
    return segment;
  }

  /** One number of a tensor. */
  static double number(Checkpoint checkpoint, String key, long index) throws CheckpointException {
    return checkpoint.<Double>read(key, tensor -> tensor.getDouble(index));
  }

  /** Opens a file that must be refused. */
  static void refused(Path file, String... facts) {
    var e = assertThrows(CheckpointException.class, () -> Checkpoint.open(file).close());
    sentence(e, file.getFileName().toString(), facts);
  }

  static void sentence(CheckpointException e, String name, String... facts) {
    var message = e.getMessage();
    assertTrue(message.startsWith(name + ": "), message);
    assertTrue(message.length() < 700 && message.indexOf('\n') < 0, message);
    for (var fact : facts) {
      assertTrue(message.contains(fact), () -> "'" + fact + "' is not said in: " + message);
    }
  }

  @Override
  public String toString() {
    return what;
  }
}
