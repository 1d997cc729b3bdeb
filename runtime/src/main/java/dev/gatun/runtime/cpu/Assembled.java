package dev.gatun.runtime.cpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.gatun.bindings.code.ExecutableMemory;
import dev.gatun.runtime.cpu.asm.Gp;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * A function of machine code. It takes the address of its arguments in RDI, numbers of 64 bits one
 * after the other; what it counts with, it may change there. Calls are critical: it must return
 * within some tens of microseconds.
 *
 * @param code takes the address; a constant where the function is one
 */
record Assembled(MethodHandle code) {
  /** Most arguments of a function. */
  static final int ARGUMENTS = 22;

  /** Never closed: such code is kept for as long as the JVM runs. */
  static Assembled of(byte[] code) {
    return at(ExecutableMemory.of(code), 0);
  }

  /** One of several functions. */
  static Assembled at(ExecutableMemory memory, int offset) {
    return new Assembled(memory.handle(offset, FunctionDescriptor.ofVoid(JAVA_LONG), true));
  }

  /** What the System V calling convention wants back as it was, if a function needs more. */
  static final Gp[] KEPT = {Gp.RBX, Gp.RBP, Gp.R12, Gp.R13, Gp.R14, Gp.R15};

  void call(Arguments arguments) {
    try {
      code.invokeExact(arguments.address());
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
