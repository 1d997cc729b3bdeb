package dev.gatun.models.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FingerprintTest {
  private static final int LONG = 4000; // 16000 bytes, of which the ends count

  @TempDir Path dir;

  private String fingerprint(String description, Map<String, Tensor> tensors) throws IOException {
    var file = dir.resolve("model.safetensors");
    SafetensorsWriter.write(file, Map.of(), tensors);
    try (var checkpoint = Checkpoint.open(file)) {
      return Fingerprint.of(checkpoint, description);
    }
  }

  private static Map<String, Tensor> tensors(int place, float value) {
    float[] numbers = new float[LONG];
    numbers[place] = value;
    var tensors = new LinkedHashMap<String, Tensor>();
    tensors.put("a", Tensor.of(Shape.of(3), 1f, 2f, 3f));
    tensors.put("b", Tensor.of(Shape.of(LONG), numbers));
    return tensors;
  }

  /** Worked out with zlib: a folder that was begun yesterday, or elsewhere, can be continued. */
  @Test
  void itStaysTheSame() throws Exception {
    assertEquals("c92e8352-352441c2", fingerprint("abc", tensors(0, 0)));
  }

  @Test
  void theOrderOfTheTensorsDoesNotMatter() throws Exception {
    var reversed = new LinkedHashMap<>(tensors(5, 7)).reversed();
    assertEquals(fingerprint("", tensors(5, 7)), fingerprint("", reversed));
  }

  @Test
  void namesTypesShapesAndBothEndsMatter() throws Exception {
    var plain = fingerprint("", tensors(0, 0));
    assertNotEquals(plain, fingerprint("", tensors(0, 1)));
    assertNotEquals(plain, fingerprint("", tensors(LONG - 1, 1)));
    assertEquals(plain, fingerprint("", tensors(LONG / 2, 1)), "what lies between is not read");
    assertNotEquals(plain, fingerprint("other", tensors(0, 0)));

    var named = tensors(0, 0);
    named.put("c", named.remove("b"));
    assertNotEquals(plain, fingerprint("", named));
    var shaped = tensors(0, 0);
    shaped.put("b", shaped.get("b").reshape(2, LONG / 2));
    assertNotEquals(plain, fingerprint("", shaped));
    var typed = tensors(0, 0);
    typed.put("b", Tensor.allocate(DType.I32, Shape.of(LONG)));
    assertNotEquals(plain, fingerprint("", typed));
  }
}
