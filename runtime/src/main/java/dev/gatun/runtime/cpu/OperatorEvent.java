package dev.gatun.runtime.cpu;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/**
 * One call of an operator, for Java Flight Recorder. A backend has one and uses it again and again.
 */
@Name("dev.gatun.Operator")
@Label("Operator")
@Category("Gatun")
@Description("One call of an operator of the cpu backend")
@Threshold("20 us")
@StackTrace(false)
final class OperatorEvent extends Event {
  @Label("Operator")
  String operator;

  @Label("Rows")
  @Description("Rows of the result")
  long rows;

  @Label("Columns")
  @Description("Columns of the result")
  int columns;
}
