package dev.gatun.models.vae;

import dev.gatun.runtime.Shape;
import dev.gatun.runtime.Tensor;
import dev.gatun.runtime.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * The memory of one pass through encoder or decoder: a single stretch, with the map that is being
 * worked on at one end, the map that it turns into at the other, and what is needed on the way
 * between them.
 *
 * <pre>
 *   | x | between |        | next |      then, after {@link #turn}:
 *   | next |        | between | x |
 * </pre>
 *
 * So there are never more maps than one {@link Stage} needs at once, whatever the sizes before and
 * after it; at full resolution that decides how large a picture can be decoded.
 */
final class FeatureMaps {
  /** Part of the memory that was asked for before. */
  private record View(long from, Tensor tensor) {}

  private final List<View> views = new ArrayList<>();
  private Tensor memory;
  private Tensor x;
  private long xFrom;

  /** Takes the memory for passes whose largest stage needs so many floats. */
  void take(Workspace workspace, long floats) {
    if (floats > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "a picture of that size needs "
              + (floats >> 18)
              + " MiB at once; decode or encode it in tiles");
    }
    var taken = workspace.take(1, (int) floats);
    if (taken != memory) {
      views.clear();
      memory = taken;
    }
  }

  /** The first map of a pass. */
  Tensor first(int height, int width, int channels) {
    xFrom = 0;
    x = view(0, height, width, channels);
    return x;
  }

  /** The map that is being worked on, {@code [1, H, W, C]}. */
  Tensor x() {
    return x;
  }

  /** What x will turn into. */
  Tensor next(int height, int width, int channels) {
    return view(nextFrom(height, width, channels), height, width, channels);
  }

  /** A map that lives beside x and the next one. */
  Tensor between(int height, int width, int channels) {
    long size = (long) height * width * channels;
    long from = xFrom == 0 ? x.shape().size() : xFrom - size;
    return view(from, height, width, channels);
  }

  /** What {@link #next} gave for this size is x from now on; what x was is forgotten. */
  void turn(Tensor next) {
    xFrom = nextFrom(next.dim(1), next.dim(2), next.dim(3));
    x = next;
  }

  private long nextFrom(int height, int width, int channels) {
    return xFrom == 0 ? memory.shape().size() - (long) height * width * channels : 0;
  }

  private Tensor view(long from, int height, int width, int channels) {
    for (int i = 0; i < views.size(); i++) {
      var view = views.get(i);
      if (view.from == from && view.tensor.shape().is(1, height, width, channels)) {
        return view.tensor;
      }
    }
    long end = from + (long) height * width * channels;
    var tensor =
        memory.columns((int) from, (int) end).reshape(Shape.of(1, height, width, channels));
    views.add(new View(from, tensor));
    return tensor;
  }
}
