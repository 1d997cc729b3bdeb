package dev.gatun.models.adm;

import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/**
 * One module of a block as it is planned: its sizes, from which its tensors, its cost and the
 * module itself follow.
 */
sealed interface Part {
  /** Channels of the operand. */
  int in();

  /** Channels of the result. */
  int out();

  /** What it does to height and width. */
  default Resize resize() {
    return Resize.NONE;
  }

  /** Adds its tensors in the authors' order. */
  void stateDict(String prefix, SequencedMap<String, Shape> keys);

  /**
   * Multiply-adds for one sample.
   *
   * @param pixels of the result
   */
  long multiplyAdds(long pixels);

  /** The convolution that begins a network. */
  record Stem(int in, int out) implements Part {
    @Override
    public void stateDict(String prefix, SequencedMap<String, Shape> keys) {
      convolution(keys, prefix, out, in, 3);
    }

    @Override
    public long multiplyAdds(long pixels) {
      return pixels * 9 * in * out;
    }
  }

  /**
   * A residual block.
   *
   * @param embedding width of the embedding of time and class
   * @param scaleShift whether it gives a scale and a shift of the normalisation
   */
  record Residual(int in, int out, Resize resize, int embedding, boolean scaleShift)
      implements Part {
    /** Channels that the embedding is mapped to. */
    int modulation() {
      return scaleShift ? 2 * out : out;
    }

    @Override
    public void stateDict(String prefix, SequencedMap<String, Shape> keys) {
      vectors(keys, prefix + ".in_layers.0", in);
      convolution(keys, prefix + ".in_layers.2", out, in, 3);
      linear(keys, prefix + ".emb_layers.1", modulation(), embedding);
      vectors(keys, prefix + ".out_layers.0", out);
      convolution(keys, prefix + ".out_layers.3", out, out, 3);
      if (in != out) {
        convolution(keys, prefix + ".skip_connection", out, in, 1);
      }
    }

    @Override
    public long multiplyAdds(long pixels) {
      long skip = in == out ? 0 : (long) in * out;
      return pixels * (9L * in * out + 9L * out * out + skip) + (long) embedding * modulation();
    }
  }

  /**
   * Self-attention over all positions.
   *
   * @param newOrder whether qkv is stored as (3, heads, size)
   */
  record Attention(int channels, int heads, boolean newOrder) implements Part {
    @Override
    public int in() {
      return channels;
    }

    @Override
    public int out() {
      return channels;
    }

    @Override
    public void stateDict(String prefix, SequencedMap<String, Shape> keys) {
      vectors(keys, prefix + ".norm", channels);
      convolution1d(keys, prefix + ".qkv", 3 * channels, channels);
      convolution1d(keys, prefix + ".proj_out", channels, channels);
    }

    @Override
    public long multiplyAdds(long pixels) {
      return pixels * (4L * channels * channels + 2 * pixels * channels);
    }
  }

  /** Half the height and width, by a convolution of stride 2 or by means. */
  record Down(int channels, boolean conv) implements Part {
    @Override
    public int in() {
      return channels;
    }

    @Override
    public int out() {
      return channels;
    }

    @Override
    public Resize resize() {
      return Resize.DOWN;
    }

    @Override
    public void stateDict(String prefix, SequencedMap<String, Shape> keys) {
      if (conv) {
        convolution(keys, prefix + ".op", channels, channels, 3);
      }
    }

    @Override
    public long multiplyAdds(long pixels) {
      return conv ? pixels * 9 * channels * channels : 0;
    }
  }

  /** Twice the height and width, by repetition, and a convolution or none. */
  record Up(int channels, boolean conv) implements Part {
    @Override
    public int in() {
      return channels;
    }

    @Override
    public int out() {
      return channels;
    }

    @Override
    public Resize resize() {
      return Resize.UP;
    }

    @Override
    public void stateDict(String prefix, SequencedMap<String, Shape> keys) {
      if (conv) {
        convolution(keys, prefix + ".conv", channels, channels, 3);
      }
    }

    @Override
    public long multiplyAdds(long pixels) {
      return conv ? pixels * 9 * channels * channels : 0;
    }
  }

  /** The weight and bias of a normalisation. */
  static void vectors(SequencedMap<String, Shape> keys, String prefix, int channels) {
    keys.put(prefix + ".weight", Shape.of(channels));
    keys.put(prefix + ".bias", Shape.of(channels));
  }

  /** The weight and bias of a linear layer. */
  static void linear(SequencedMap<String, Shape> keys, String prefix, int out, int in) {
    keys.put(prefix + ".weight", Shape.of(out, in));
    keys.put(prefix + ".bias", Shape.of(out));
  }

  /** The kernel and bias of a convolution. */
  static void convolution(
      SequencedMap<String, Shape> keys, String prefix, int out, int in, int size) {
    keys.put(prefix + ".weight", Shape.of(out, in, size, size));
    keys.put(prefix + ".bias", Shape.of(out));
  }

  /** The kernel and bias of a 1-D convolution of size 1, which is a linear layer on positions. */
  static void convolution1d(SequencedMap<String, Shape> keys, String prefix, int out, int in) {
    keys.put(prefix + ".weight", Shape.of(out, in, 1));
    keys.put(prefix + ".bias", Shape.of(out));
  }
}
