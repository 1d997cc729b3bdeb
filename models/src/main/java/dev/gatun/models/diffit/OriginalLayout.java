package dev.gatun.models.diffit;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily.Layout;
import dev.gatun.models.Parameters;
import dev.gatun.runtime.Shape;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * The authors' layout: besides the parameters, a file may hold the buffers {@code
 * relative_position_index}, I64 {@code [side², side²]}, which follow from the side of the windows.
 * They are left unread.
 */
final class OriginalLayout implements Layout {
  private static final String TABLE = ".relative_position_bias_table";
  private static final String INDEX = ".relative_position_index";

  @Override
  public String name() {
    return "original";
  }

  @Override
  public SequencedMap<String, Shape> stateDict(NetworkConfig config) {
    var keys = new LinkedHashMap<String, Shape>();
    config
        .stateDict()
        .forEach(
            (key, shape) -> {
              keys.put(key, shape);
              if (key.endsWith(TABLE)) {
                int side = RelativeBias.side(shape.dim(0));
                keys.put(key.replace(TABLE, INDEX), Shape.of(side * side, side * side));
              }
            });
    return keys;
  }

  @Override
  public Parameters adapt(NetworkConfig config, Parameters file) {
    return file;
  }

  @Override
  public boolean optional(String key) {
    return key.endsWith(INDEX) || key.equals("pos_embed");
  }
}
