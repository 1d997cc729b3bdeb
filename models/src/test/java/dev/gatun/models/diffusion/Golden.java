package dev.gatun.models.diffusion;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** The tensors of a small safetensors file among the test resources. */
final class Golden {
  private static final Pattern ENTRY =
      Pattern.compile(
          "\"([^\"]+)\":\\{\"dtype\":\"\\w+\",\"shape\":\\[[\\d,]*\\],"
              + "\"data_offsets\":\\[(\\d+),(\\d+)\\]\\}");

  private final Map<String, ByteBuffer> tensors = new LinkedHashMap<>();

  Golden(String name) throws IOException {
    ByteBuffer file;
    try (var in = Golden.class.getResourceAsStream("/goldens/" + name)) {
      file = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
    }
    int header = Math.toIntExact(file.getLong());
    var json = new String(file.array(), Long.BYTES, header, StandardCharsets.UTF_8);
    var entries = ENTRY.matcher(json.replace(" ", ""));
    while (entries.find()) {
      int begin = Integer.parseInt(entries.group(2));
      int end = Integer.parseInt(entries.group(3));
      var data = file.slice(Long.BYTES + header + begin, end - begin);
      tensors.put(entries.group(1), data.order(ByteOrder.LITTLE_ENDIAN));
    }
  }

  float[] floats(String name) {
    var data = tensors.get(name).asFloatBuffer();
    var values = new float[data.remaining()];
    data.get(values);
    return values;
  }

  long[] longs(String name) {
    var data = tensors.get(name).asLongBuffer();
    var values = new long[data.remaining()];
    data.get(values);
    return values;
  }

  double[] doubles(String name) {
    var data = tensors.get(name).asDoubleBuffer();
    var values = new double[data.remaining()];
    data.get(values);
    return values;
  }
}
