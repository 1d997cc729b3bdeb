package dev.gatun.models.pipeline;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** One step of a sampler, for Java Flight Recorder. */
@Name("dev.gatun.Step")
@Label("Sampling step")
@Category("Gatun")
@Description("One step of a sampler on one batch of pictures")
@StackTrace(false)
final class StepEvent extends Event {
  @Label("Step")
  int step;

  @Label("Steps")
  int steps;

  @Label("Pictures")
  int pictures;
}
