package dev.gatun.models.pipeline;

import dev.gatun.models.NetworkConfig;
import dev.gatun.models.NetworkFamily;
import dev.gatun.models.adm.AdmClassifierFamily;
import dev.gatun.models.adm.AdmFamily;
import dev.gatun.models.clip.ClipTextFamily;
import dev.gatun.models.diffit.DiffiTFamily;
import dev.gatun.models.diffit.DiffiTImageFamily;
import dev.gatun.models.dit.DiTFamily;
import dev.gatun.models.uvit.UViTFamily;
import dev.gatun.models.vae.VaeFamily;
import dev.gatun.runtime.Shape;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/** The networks that Gatun knows. */
public final class Families {
  private static final List<NetworkFamily> ALL =
      List.of(
          new DiTFamily(),
          new UViTFamily(),
          new DiffiTFamily(),
          new DiffiTImageFamily(),
          new AdmFamily(),
          new AdmClassifierFamily(),
          new VaeFamily(),
          new ClipTextFamily());

  private Families() {}

  /** All of them. */
  public static List<NetworkFamily> all() {
    return ALL;
  }

  /**
   * A family and a configuration of it.
   *
   * @param family that the configuration is of
   * @param config of a network
   */
  public record Member(NetworkFamily family, NetworkConfig config) {}

  /** A published configuration by name, of whichever family. */
  public static Optional<Member> preset(String name) {
    for (var family : ALL) {
      var config = family.preset(name);
      if (config.isPresent()) {
        return Optional.of(new Member(family, config.get()));
      }
    }
    return Optional.empty();
  }

  /**
   * A family and a naming that it knows.
   *
   * @param family of the network
   * @param layout of the file
   */
  record Recognised(NetworkFamily family, NetworkFamily.Layout layout) {}

  /** Whose network a file with these keys holds, and under which names. */
  static Optional<Recognised> of(SequencedMap<String, Shape> keys) {
    for (var family : ALL) {
      var layout = family.layout(keys);
      if (layout.isPresent()) {
        return Optional.of(new Recognised(family, layout.get()));
      }
    }
    return Optional.empty();
  }

  /** The family that describes itself by this name, as {@code model} or as class of diffusers. */
  static Optional<NetworkFamily> named(String model) {
    return ALL.stream().filter(family -> family.models().contains(model)).findFirst();
  }

  /** What descriptions may name, for people. */
  static String names() {
    return ALL.stream()
        .flatMap(family -> family.models().stream())
        .map(name -> "'" + name + "'")
        .collect(Collectors.joining(", "));
  }
}
