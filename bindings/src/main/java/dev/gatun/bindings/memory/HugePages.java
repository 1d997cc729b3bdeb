package dev.gatun.bindings.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Memory in huge pages, where Linux has transparent ones and gives them to who asks for them
 * ({@code madvise}). A matrix product touches a new page with every row: in pages of 4 KiB most of
 * these need a walk through the page tables, in pages of 2 MiB hardly any.
 *
 * <p>Source: Linux, Documentation/admin-guide/mm/transhuge.rst.
 */
public final class HugePages {
  /** {@code -Dgatun.hugePages=false} leaves memory as the C library gives it. */
  public static final String PROPERTY = "gatun.hugePages";

  /** What is smaller than so many pages stays in small ones: up to a page of it is wasted. */
  private static final int FEWEST = 2;

  private static final Path SETTINGS = Path.of("/sys/kernel/mm/transparent_hugepage");
  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_PRIVATE_ANONYMOUS = 34;
  private static final int MADV_HUGEPAGE = 14;

  /** Of this process; null where there are none. */
  private static final HugePages INSTANCE = open();

  private final long page;
  private final MethodHandle mmap;
  private final MethodHandle munmap;
  private final MethodHandle madvise;

  private HugePages(long page) {
    this.page = page;
    mmap =
        bind(
            "mmap",
            FunctionDescriptor.of(
                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    munmap = bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    madvise = bind("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
  }

  private static MethodHandle bind(String name, FunctionDescriptor type) {
    var linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
  }

  private static HugePages open() {
    if (!Boolean.parseBoolean(System.getProperty(PROPERTY, "true"))
        || !System.getProperty("os.name", "").equals("Linux")
        // Nobody asked for it: a JVM that would print a warning about that is left in peace.
        || !HugePages.class.getModule().isNativeAccessEnabled()) {
      return null;
    }
    try {
      if (!Files.readString(SETTINGS.resolve("enabled")).contains("[madvise]")) {
        return null; // never; or always, and then nobody needs to ask
      }
      return new HugePages(
          Long.parseLong(Files.readString(SETTINGS.resolve("hpage_pmd_size")).strip()));
    } catch (IOException | RuntimeException e) {
      return null; // no such kernel
    }
  }

  /**
   * Zeros in huge pages.
   *
   * @param arena with which the memory ends
   * @return null where there are no such pages, for less than a few of them, and where the system
   *     gives none
   */
  public static MemorySegment allocate(long bytes, Arena arena) {
    var pages = INSTANCE;
    return pages == null || bytes < FEWEST * pages.page ? null : pages.map(bytes, arena);
  }

  private MemorySegment map(long bytes, Arena arena) {
    long whole = Math.ceilDiv(bytes, page) * page;
    long mapped = whole + page; // some of it before the first whole page
    try {
      long address =
          (long) mmap.invokeExact(0L, mapped, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      if (address == -1) {
        return null;
      }
      long first = Math.ceilDiv(address, page) * page;
      // Where this fails the pages are small, and everything else is the same.
      int ignored = (int) madvise.invokeExact(first, whole, MADV_HUGEPAGE);
      return MemorySegment.ofAddress(first)
          .reinterpret(bytes, arena, ended -> unmap(address, mapped));
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e); // handles declare every exception; these functions throw none
    }
  }

  private void unmap(long address, long bytes) {
    try {
      int ignored = (int) munmap.invokeExact(address, bytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
