package dev.gatun.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The operators that a {@link RecordingBackend} has seen and how to go back through them. A pass
 * that calls the same operators on the same tensors as the one before finds its steps, copies and
 * adjoints again, and allocates nothing.
 */
final class Tape implements AutoCloseable {
  private final Backend backend;
  private final RecordedMemory memory;

  /** Copies of operands, which live as long as the recording. */
  private final Workspace copies;

  /** Memory for the way back, one step at a time. */
  private final Workspace scratch;

  /** Steps of this recording and, behind them, of longer ones before. */
  private final List<Step> steps = new ArrayList<>();

  private int length;

  private final Step.Operand input = new Step.Operand(this);
  private final Step.Operand result = new Step.Operand(this);

  Tape(Backend backend, RecordedMemory memory) {
    this.backend = backend;
    this.memory = memory;
    copies = backend.workspace();
    scratch = backend.workspace();
  }

  Backend backend() {
    return backend;
  }

  RecordedMemory memory() {
    return memory;
  }

  /**
   * A step to fill in: the one that stood at this place in the recording before, if it is of the
   * kind. It does not belong to the recording until it is {@linkplain #push pushed}.
   */
  <S extends Step> S next(Class<S> kind, Function<Tape, S> maker) {
    if (length < steps.size() && kind.isInstance(steps.get(length))) {
      return kind.cast(steps.get(length));
    }
    var step = maker.apply(this);
    if (length < steps.size()) {
      steps.set(length, step);
    } else {
      steps.add(step);
    }
    return step;
  }

  /** Ends the filling in of a step, after its operator has been computed. */
  void push(Step step, Tensor out) {
    step.out.set(out);
    memory.set(out, true);
    length++;
  }

  /** Says that a tensor was overwritten with what depends on nothing that is watched. */
  void overwritten(Tensor out) {
    if (memory.set(out, false) && out.dtype() == DType.F32) {
      var step = next(Step.Sum.class, Step.Sum::new);
      step.set(null, 0, null, 0);
      step.out.set(out);
      length++;
    }
  }

  /** A copy of an operand that lasts as long as the recording; null for null. */
  Tensor copyOf(Tensor tensor) {
    if (tensor == null) {
      return null;
    }
    var copy = copies.take(DType.F32, tensor.shape());
    backend.copy(tensor, copy);
    return copy;
  }

  /** Memory of a shape that lasts as long as the recording. */
  Tensor keep(Tensor like) {
    return copies.take(DType.F32, like.shape());
  }

  /** Memory of a shape until the present step ends. */
  Tensor take(Tensor like) {
    return scratch.take(DType.F32, like.shape());
  }

  /** Ends the use of memory that was {@linkplain #take taken}. */
  void releaseScratch() {
    scratch.release(0);
  }

  /** Adjoints of everything, from that of one tensor. */
  void backward(Tensor y, Tensor dy) {
    memory.zeroAdjoints();
    result.set(y);
    backend.copy(dy, result.adjoint());
    for (int i = length - 1; i >= 0; i--) {
      steps.get(i).backward();
      releaseScratch();
    }
  }

  /** {@code dx = adjoint(x)}. */
  void gradient(Tensor x, Tensor dx) {
    input.set(x);
    backend.copy(input.adjoint(), dx);
  }

  void clear() {
    length = 0;
    copies.release(0);
    releaseScratch();
  }

  @Override
  public void close() {
    copies.close();
    scratch.close();
    steps.clear();
    length = 0;
  }
}
