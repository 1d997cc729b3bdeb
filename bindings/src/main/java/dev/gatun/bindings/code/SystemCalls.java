package dev.gatun.bindings.code;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/** The functions of Linux's C library that executable memory and tiles need, on x86-64 alone. */
public final class SystemCalls {
  /** {@code -Dgatun.cpu.code=false} refuses assembled code, as a hardened system would. */
  public static final String PROPERTY = "gatun.cpu.code";

  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_PRIVATE = 2;
  private static final int MAP_ANONYMOUS = 32;

  private static final long SYS_ARCH_PRCTL = 158;
  private static final long ARCH_REQ_XCOMP_PERM = 0x1023;
  private static final long XTILEDATA = 18;

  /** Bound when it is first needed: who computes without assembled code asks for no permission. */
  private static SystemCalls bound;

  private static Boolean tiles;

  private final VarHandle errno;
  private final MemoryLayout captured = Linker.Option.captureStateLayout();
  private final MethodHandle mmap;
  private final MethodHandle mprotect;
  private final MethodHandle munmap;
  private final MethodHandle syscall;
  private final MethodHandle strerror;

  private SystemCalls() {
    errno = captured.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    var capture = Linker.Option.captureCallState("errno");
    mmap =
        bind(
            "mmap",
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG),
            capture);
    mprotect =
        bind("mprotect", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT), capture);
    munmap = bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    syscall =
        bind(
            "syscall",
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
    strerror = bind("strerror", FunctionDescriptor.of(ADDRESS, JAVA_INT));
  }

  private static MethodHandle bind(String name, FunctionDescriptor type, Linker.Option... options) {
    var linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type, options);
  }

  /**
   * Those of this process.
   *
   * @throws CodeRefusedException if the system is another one, or the JVM denies native access
   */
  static synchronized SystemCalls get() {
    if (!Boolean.parseBoolean(System.getProperty(PROPERTY, "true"))) {
      throw new CodeRefusedException(
          "-D" + PROPERTY + "=false says so", "leave that option out", null);
    }
    var system = System.getProperty("os.name", "");
    var processor = System.getProperty("os.arch", "");
    if (!system.equals("Linux") || !processor.equals("amd64")) {
      throw new CodeRefusedException(
          "it is for Linux on x86-64 and this is " + system + " on " + processor,
          "use the Vector API there",
          null);
    }
    if (bound == null) {
      try {
        bound = new SystemCalls();
      } catch (IllegalCallerException e) {
        throw new CodeRefusedException(
            "this JVM denies native access",
            "start it with --enable-native-access=dev.gatun.bindings",
            e);
      }
    }
    return bound;
  }

  /**
   * Asks Linux for the use of AMX tiles by this process, its running threads included; once, and
   * the answer stays. Without it the first instruction that touches a tile ends the process.
   *
   * <p>Source: Linux, Documentation/arch/x86/xstate.rst.
   *
   * @return whether tiles may be used; false where assembled code cannot be used at all
   */
  public static synchronized boolean requestTiles() {
    SystemCalls calls;
    try {
      calls = get();
    } catch (CodeRefusedException e) {
      return false;
    }
    if (tiles == null) {
      try {
        tiles =
            (long) calls.syscall.invokeExact(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
      } catch (Throwable e) {
        throw unexpected(e);
      }
    }
    return tiles;
  }

  /** The address of new private memory that can be read and written. */
  long map(long bytes) {
    try (var arena = Arena.ofConfined()) {
      var state = arena.allocate(captured);
      long address =
          (long)
              mmap.invoke(
                  state, 0L, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
      if (address == -1) {
        throw new CodeRefusedException(
            "Linux gives no memory for it (mmap of " + bytes + " bytes: " + error(state) + ")",
            "raise the limits of this process (ulimit -v, vm.max_map_count)",
            null);
      }
      return address;
    } catch (CodeRefusedException e) {
      throw e;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** Makes mapped memory executable and takes away the right to write. */
  void makeExecutable(long address, long bytes) {
    protect(address, bytes, PROT_READ | PROT_EXEC);
  }

  void protect(long address, long bytes, int rights) {
    try (var arena = Arena.ofConfined()) {
      var state = arena.allocate(captured);
      if ((int) mprotect.invoke(state, address, bytes, rights) != 0) {
        throw new CodeRefusedException(
            "Linux does not let memory be executed (mprotect: " + error(state) + ")",
            "allow it in the policy of this system (SELinux calls it execmem)",
            null);
      }
    } catch (CodeRefusedException e) {
      throw e;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  void unmap(long address, long bytes) {
    try {
      int ignored = (int) munmap.invokeExact(address, bytes);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private String error(MemorySegment state) throws Throwable {
    int number = (int) errno.get(state, 0L);
    var text = (MemorySegment) strerror.invokeExact(number);
    return text.reinterpret(256).getString(0);
  }

  /** Downcall handles declare every exception; these functions throw none. */
  private static AssertionError unexpected(Throwable e) {
    if (e instanceof Error error) {
      throw error;
    }
    return new AssertionError(e);
  }
}
