package dev.gatun.models.adm;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily.Layout;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import java.util.SequencedMap;

/** The keys of the authors' code, the only ones in use. */
record OriginalLayout() implements Layout {
  @Override
  public String name() {
    return "original";
  }

  /** What the UNet and the classifier have in common and other networks lack. */
  static boolean fits(SequencedMap<String, Shape> keys) {
    return keys.containsKey("time_embed.0.weight")
        && keys.containsKey("input_blocks.0.0.weight")
        && keys.containsKey("middle_block.1.qkv.weight");
  }

  /** Whether the file has a way up: the UNet has, the classifier has not. */
  static boolean hasOutputBlocks(SequencedMap<String, Shape> keys) {
    return keys.keySet().stream().anyMatch(key -> key.startsWith("output_blocks."));
  }

  @Override
  public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
    return config.stateDict();
  }

  @Override
  public Parameters adapt(NetworkConfig config, Parameters file) {
    return file;
  }
}
