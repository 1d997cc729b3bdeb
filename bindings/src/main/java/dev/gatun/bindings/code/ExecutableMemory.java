package dev.gatun.bindings.code;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/**
 * Machine code in memory of its own: written first, then executable and never writable again.
 *
 * <p>The code lies in a segment of a shared arena, and a downcall handle holds its target as that
 * segment. So FFM itself keeps the arena alive while a call runs, and refuses calls after {@link
 * #close()} with an {@link IllegalStateException} before they reach the code; for ordinary calls
 * and critical ones alike. It costs two atomic operations a call.
 *
 * <p>Methods may be called, and code run, by any thread.
 */
public final class ExecutableMemory implements AutoCloseable {
  private final Arena arena;
  private final MemorySegment code;

  private ExecutableMemory(Arena arena, MemorySegment code) {
    this.arena = arena;
    this.code = code;
  }

  /**
   * Copies code to where it can be executed. Its first byte gets an address divisible by 4096.
   *
   * @throws CodeRefusedException if this system does not allow it
   */
  public static ExecutableMemory of(byte[] code) {
    if (code.length == 0) {
      throw new IllegalArgumentException("no code: give at least one instruction");
    }
    var calls = SystemCalls.get();
    long bytes = code.length;
    long address = calls.map(bytes);
    var arena = Arena.ofShared();
    try {
      var segment =
          MemorySegment.ofAddress(address)
              .reinterpret(bytes, arena, ended -> calls.unmap(ended.address(), bytes));
      MemorySegment.copy(code, 0, segment, JAVA_BYTE, 0, code.length);
      calls.makeExecutable(address, bytes);
      return new ExecutableMemory(arena, segment.asReadOnly());
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  /** Bytes of code. */
  public long size() {
    return code.byteSize();
  }

  /**
   * A function of this code. It must obey the System V calling convention: keep rbx, rbp and r12 to
   * r15, and return with an even stack and no tile in use. Nothing checks that.
   *
   * @param offset of its first byte
   * @param critical leave out the transition to native code, for functions that return within
   *     microseconds: while one runs, the garbage collector waits
   * @throws IllegalStateException if the memory has been closed
   * @throws IndexOutOfBoundsException if there is no code at this offset
   */
  public MethodHandle handle(long offset, FunctionDescriptor type, boolean critical) {
    return critical ? link(offset, type, Linker.Option.critical(false)) : link(offset, type);
  }

  /** An ordinary one; see {@link #handle(long, FunctionDescriptor, boolean)}. */
  public MethodHandle handle(long offset, FunctionDescriptor type) {
    return handle(offset, type, false);
  }

  /**
   * A critical one whose pointers may be arrays of the heap, too: they stay where they are while it
   * runs. See {@link #handle(long, FunctionDescriptor, boolean)}.
   */
  public MethodHandle heapHandle(long offset, FunctionDescriptor type) {
    return link(offset, type, Linker.Option.critical(true));
  }

  private MethodHandle link(long offset, FunctionDescriptor type, Linker.Option... options) {
    Objects.checkIndex(offset, code.byteSize());
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException("this code has been closed: take handles before that");
    }
    return Linker.nativeLinker().downcallHandle(code.asSlice(offset), type, options);
  }

  /**
   * Gives the memory back. Closing again does nothing.
   *
   * @throws IllegalStateException if a thread is executing the code; it stays open then
   */
  @Override
  public synchronized void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
