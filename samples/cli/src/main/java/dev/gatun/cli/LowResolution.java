package dev.gatun.cli;

import dev.gatun.models.checkpoint.Npz;
import dev.gatun.models.pipeline.GeneratedImages;
import dev.gatun.models.pipeline.ImageRequest;
import dev.gatun.models.pipeline.Rounding;
import dev.gatun.runtime.DType;
import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;

/**
 * Pictures to be enlarged, from a {@code .npz} file: {@code arr_0} with the bytes {@code [N, H, W,
 * C]} and, where there are any, {@code arr_1} with the classes.
 */
final class LowResolution {
  /** Each becomes a number of four bytes. */
  private static final long MOST_BYTES = 1 << 28;

  private LowResolution() {}

  static GeneratedImages read(Path file) {
    try (var npz = Npz.open(file)) {
      var info = npz.arrays().get("arr_0");
      if (info == null || info.dtype() != DType.U8 || info.shape().rank() != 4) {
        throw CommandException.failure(
            file + ": has no array arr_0 of bytes [N, H, W, C], which the pictures would be");
      }
      var shape = info.shape();
      require(file, shape);
      var labels = npz.arrays().get("arr_1");
      long[] classes = new long[0];
      if (labels != null) {
        if (labels.dtype() != DType.I64 || !labels.shape().is(shape.dim(0))) {
          throw CommandException.failure(
              file + ": arr_1 is " + labels + ", expected a class for each picture, I64");
        }
        classes = npz.read("arr_1", LowResolution::longs);
      }
      return new GeneratedImages(
          shape.dim(0),
          shape.dim(1),
          shape.dim(2),
          shape.dim(3),
          npz.read("arr_0", LowResolution::samples),
          classes,
          Rounding.NEAREST,
          new LinkedHashMap<>());
    } catch (IOException e) {
      throw CommandException.failure(e.getMessage());
    }
  }

  /** Requires pictures that can be enlarged, and no more of them than there is memory for. */
  private static void require(Path file, Shape shape) {
    if (shape.size() == 0 || shape.dim(1) != shape.dim(2)) {
      throw CommandException.failure(
          file + ": its pictures are " + shape + ", expected square ones");
    }
    if (shape.dim(3) != 1 && shape.dim(3) != 3) {
      throw CommandException.failure(
          file + ": its pictures are " + shape + ", expected 1 or 3 levels for each pixel");
    }
    if (shape.size() > MOST_BYTES || shape.dim(0) > ImageRequest.MOST) {
      throw CommandException.failure(
          "%s: its pictures are %s, more than %d of them or %d MiB are not read at once; cut it into several files"
              .formatted(file, shape, ImageRequest.MOST, MOST_BYTES >> 20));
    }
  }

  /** The inverse of the authors' rounding: {@code level/127.5 − 1}. */
  private static float[] samples(Tensor levels) {
    float[] samples = new float[Math.toIntExact(levels.shape().size())];
    for (int i = 0; i < samples.length; i++) {
      samples[i] = levels.getLong(i) / 127.5f - 1;
    }
    return samples;
  }

  private static long[] longs(Tensor labels) {
    long[] values = new long[Math.toIntExact(labels.shape().size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = labels.getLong(i);
    }
    return values;
  }
}
