package dev.gatun.models.checkpoint;

import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/** Checkpoints for the tests of other packages. */
public final class TestFiles {
  private TestFiles() {}

  /** A safetensors file of zeros that takes no room on the disk: only its header is written. */
  public static Path sparse(
      Path file, Map<String, String> metadata, Map<String, Shape> tensors, DType dtype)
      throws IOException {
    var infos =
        tensors.entrySet().stream()
            .map(entry -> new TensorInfo(entry.getKey(), dtype, entry.getValue()))
            .toList();
    var whole = Path.of(file + ".header");
    long bytes = infos.stream().mapToLong(TensorInfo::bytes).sum();
    byte[] header = SafetensorsWriter.header(whole, metadata, infos, new HashMap<>());
    try (var channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new LittleEndian().u64(header.length).toBytes()));
      channel.write(ByteBuffer.wrap(header));
      if (bytes > 0) {
        channel.write(ByteBuffer.allocate(1), 8 + header.length + bytes - 1);
      }
    }
    return file;
  }

  /**
   * What DiT's {@code train.py} saves: {@code {model, ema, opt, args}}, where {@code model} is all
   * zeros.
   */
  public static byte[] trained(Map<String, Tensor> ema, String model) {
    var pickle = new PickleBytes().op('}', '(');
    var zip = new ZipBytes();
    state(pickle.text("model"), zip, ema, "m", true);
    state(pickle.text("ema"), zip, ema, "e", false);
    pickle.text("opt").op('}').text("state").op('}', 's');
    pickle
        .text("args")
        .global("argparse", "Namespace")
        .op(')', 0x81, '}')
        .text("model")
        .text(model)
        .op('s', 'b');
    byte[] code = pickle.op('u').stop();
    return zip.add("archive/data.pkl", code)
        .add("archive/version", TorchBytes.ascii("3\n"))
        .toBytes();
  }

  private static void state(
      PickleBytes pickle, ZipBytes zip, Map<String, Tensor> tensors, String prefix, boolean zeros) {
    pickle.orderedDict().op('(');
    int i = 0;
    for (var entry : tensors.entrySet()) {
      var shape = entry.getValue().shape();
      var storage = prefix + i++;
      float[] values = zeros ? new float[(int) shape.size()] : entry.getValue().toFloats();
      zip.add("archive/data/" + storage, new LittleEndian().f32(values).toBytes());
      long[] size = new long[shape.rank()];
      long[] stride = new long[shape.rank()];
      long step = 1;
      for (int axis = shape.rank() - 1; axis >= 0; axis--) {
        size[axis] = shape.dim(axis);
        stride[axis] = step;
        step *= size[axis];
      }
      pickle
          .text(entry.getKey())
          .tensor(
              new PickleBytes().storage("FloatStorage", storage, shape.size()), 0, size, stride);
    }
    pickle.op('u');
  }
}
