package dev.gatun.runtime.cuda;

import dev.gatun.runtime.Replay;

/**
 * Work that is done twice by its operators, the second time into a graph, and from then on by
 * launching that. The first time makes plans and memory, which cannot be made while a stream is
 * captured.
 */
final class GraphReplay implements Replay {
  private static final System.Logger LOG = System.getLogger(GraphReplay.class.getName());

  private final Session session;
  private final Runnable work;
  private boolean prepared;
  private boolean direct;
  private Graph graph;

  GraphReplay(Session session, Runnable work) {
    this.session = session;
    this.work = work;
  }

  @Override
  public void run() {
    session.enter();
    if (graph == null && prepared && !direct && !session.stream().isCapturing()) {
      capture();
    }
    if (graph == null) {
      work.run();
      prepared = true;
    } else {
      graph.launch(session.stream());
    }
  }

  private void capture() {
    try {
      graph = session.capture(work);
      session.join();
    } catch (UnrecordableException | CudaException e) {
      direct = true;
      LOG.log(
          System.Logger.Level.WARNING,
          "steps are launched kernel by kernel, not as a CUDA graph: " + e.getMessage());
    }
  }

  /** Whether it is launched as a graph. */
  boolean isRecorded() {
    return graph != null;
  }

  @Override
  public void close() {
    direct = true;
    if (graph != null) {
      Driver.closing(
          () -> {
            session.current();
            session.stream().synchronize();
            graph.close();
          });
      graph = null;
      session.leave();
    }
  }
}
