package dev.gatun.models.adm;

import dev.gatun.runtime.Shape;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The blocks of a network in their order, as the authors' constructors lay them out.
 *
 * @param input from full resolution down; the result of each is kept for the way up
 * @param middle at the innermost level
 * @param output from the innermost level up, each on the concatenation of what is and of the last
 *     result of the way down that has not been used; none in a classifier
 */
record Plan(List<BlockPlan> input, BlockPlan middle, List<BlockPlan> output) {
  /** A classifier's blocks: the way down, and the middle. */
  static Plan encoder(Backbone net, int inChannels) {
    var input = new ArrayList<BlockPlan>();
    int c = net.channels(0);
    input.add(new BlockPlan("input_blocks.0", 1, List.of(new Part.Stem(inChannels, c))));
    int rate = 1;
    for (int level = 0; level < net.levels(); level++) {
      for (int i = 0; i < net.numResBlocks(); i++) {
        var parts = new ArrayList<Part>();
        parts.add(residual(net, c, net.channels(level), Resize.NONE));
        c = net.channels(level);
        if (net.attends(rate)) {
          parts.add(attention(net, c));
        }
        input.add(new BlockPlan("input_blocks." + input.size(), rate, parts));
      }
      if (level < net.levels() - 1) {
        var down =
            net.resblockUpdown()
                ? residual(net, c, c, Resize.DOWN)
                : new Part.Down(c, net.convResample());
        input.add(new BlockPlan("input_blocks." + input.size(), rate, List.of(down)));
        rate *= 2;
      }
    }
    var middle =
        List.of(
            residual(net, c, c, Resize.NONE), attention(net, c), residual(net, c, c, Resize.NONE));
    return new Plan(List.copyOf(input), new BlockPlan("middle_block", rate, middle), List.of());
  }

  /** A UNet's blocks. */
  static Plan unet(Backbone net, int inChannels) {
    var encoder = encoder(net, inChannels);
    var skips = new ArrayDeque<Integer>();
    encoder.input.forEach(block -> skips.push(block.out()));
    var output = new ArrayList<BlockPlan>();
    int c = encoder.middle.out();
    int rate = encoder.middle.rate();
    for (int level = net.levels() - 1; level >= 0; level--) {
      for (int i = 0; i <= net.numResBlocks(); i++) {
        var parts = new ArrayList<Part>();
        parts.add(residual(net, c + skips.pop(), net.channels(level), Resize.NONE));
        c = net.channels(level);
        if (net.attends(rate)) {
          parts.add(attention(net, c));
        }
        boolean up = level > 0 && i == net.numResBlocks();
        if (up) {
          parts.add(
              net.resblockUpdown()
                  ? residual(net, c, c, Resize.UP)
                  : new Part.Up(c, net.convResample()));
        }
        output.add(new BlockPlan("output_blocks." + output.size(), rate, parts));
        rate = up ? rate / 2 : rate;
      }
    }
    return new Plan(encoder.input, encoder.middle, List.copyOf(output));
  }

  private static Part residual(Backbone net, int in, int out, Resize resize) {
    return new Part.Residual(in, out, resize, net.embedding(), net.useScaleShiftNorm());
  }

  private static Part attention(Backbone net, int channels) {
    return new Part.Attention(channels, net.heads(channels), net.useNewAttentionOrder());
  }

  /**
   * All tensors before the network's last layers.
   *
   * @param classes rows of the label table; 0 for none
   */
  SequencedMap<String, Shape> stateDict(Backbone net, int classes) {
    var keys = new LinkedHashMap<String, Shape>();
    Part.linear(keys, "time_embed.0", net.embedding(), net.modelChannels());
    Part.linear(keys, "time_embed.2", net.embedding(), net.embedding());
    if (classes > 0) {
      keys.put("label_emb.weight", Shape.of(classes, net.embedding()));
    }
    input.forEach(block -> block.stateDict(keys));
    middle.stateDict(keys);
    output.forEach(block -> block.stateDict(keys));
    return keys;
  }

  /** Multiply-adds of the blocks and the time embedding for one picture of this size. */
  long multiplyAdds(Backbone net, int height, int width) {
    long sum = (long) net.embedding() * (net.modelChannels() + net.embedding());
    for (var block : input) {
      sum += block.multiplyAdds(height, width);
    }
    sum += middle.multiplyAdds(height, width);
    for (var block : output) {
      sum += block.multiplyAdds(height, width);
    }
    return sum;
  }
}
