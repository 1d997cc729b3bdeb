package dev.gatun.runtime.cuda;

import dev.gatun.bindings.cudnn.Cudnn;
import java.util.Arrays;

/** The engines that cuDNN's heuristics propose for a graph, best first. */
final class DnnSearch implements AutoCloseable {
  private static final int MOST_ENGINES = 64;

  private final DnnTarget target;
  private final Descriptor heuristics;
  private final Descriptor[] configurations = new Descriptor[MOST_ENGINES];
  private final int found;

  DnnSearch(Descriptor graph, int mode, DnnTarget target) {
    this.target = target;
    heuristics = new Descriptor(Cudnn.CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR());
    try {
      found = search(graph, mode);
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private int search(Descriptor graph, int mode) {
    heuristics
        .others(Cudnn.CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH(), graph)
        .choice(Cudnn.CUDNN_ATTR_ENGINEHEUR_MODE(), Cudnn.CUDNN_TYPE_HEUR_MODE(), mode);
    if (target instanceof DnnTarget.Described described) {
      heuristics.others(Cudnn.CUDNN_ATTR_ENGINEHEUR_DEVICEPROP(), described.properties());
    }
    if (heuristics.tryFinish() != Cudnn.CUDNN_STATUS_SUCCESS()) {
      return 0;
    }
    int attribute = Cudnn.CUDNN_ATTR_ENGINEHEUR_RESULTS();
    int count = Math.min(MOST_ENGINES, heuristics.count(attribute));
    for (int i = 0; i < count; i++) {
      configurations[i] = new Descriptor(Cudnn.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR());
    }
    return count == 0 ? 0 : heuristics.get(attribute, Arrays.copyOf(configurations, count));
  }

  /** A plan with the first engine that accepts the graph, which it owns then; or null. */
  DnnPlan first(DnnGraph owner, Engines engines) {
    for (int i = 0; i < found; i++) {
      if (!engines.allow(configurations[i])) {
        continue;
      }
      var plan = plan(configurations[i], engines.workspace());
      if (plan != null) {
        var chosen = configurations[i];
        configurations[i] = null;
        return new DnnPlan(owner, chosen, plan);
      }
    }
    return null;
  }

  /** The finished plan, or null if the engine does not take the graph, or needs too much memory. */
  private Descriptor plan(Descriptor configuration, long workspace) {
    var plan = new Descriptor(Cudnn.CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR());
    boolean finished = false;
    try {
      plan.others(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG(), configuration);
      switch (target) {
        case DnnTarget.Open open ->
            plan.handle(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_HANDLE(), open.library());
        case DnnTarget.Described described ->
            plan.others(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP(), described.properties());
      }
      finished =
          plan.tryFinish() == Cudnn.CUDNN_STATUS_SUCCESS()
              && plan.getLong(Cudnn.CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE()) <= workspace;
      return finished ? plan : null;
    } finally {
      if (!finished) {
        plan.close();
      }
    }
  }

  @Override
  public void close() {
    for (var configuration : configurations) {
      if (configuration != null) {
        configuration.close();
      }
    }
    heuristics.close();
  }
}
