package dev.gatun.runtime.cpu.asm;

/**
 * The extensions that can be used: the processor has them, and the operating system saves their
 * registers.
 *
 * @param fma of AVX and FMA3
 * @param avxVnni of 128 and 256 bits, without AVX-512
 * @param amxTile tiles; Linux must be asked for them besides
 */
public record CpuFeatures(
    boolean avx2,
    boolean fma,
    boolean avxVnni,
    boolean avx512f,
    boolean avx512bw,
    boolean avx512vl,
    boolean avx512dq,
    boolean avx512Bf16,
    boolean avx512Vnni,
    boolean amxTile,
    boolean amxBf16,
    boolean amxInt8) {
  /** Nothing, as on a processor of another kind. */
  public static final CpuFeatures NONE =
      new CpuFeatures(
          false, false, false, false, false, false, false, false, false, false, false, false);

  /** XMM and YMM state. */
  private static final long AVX_STATE = 0x6;

  /** And k0 to k7, the upper halves of zmm0 to zmm15, zmm16 to zmm31. */
  private static final long AVX512_STATE = AVX_STATE | 0xE0;

  /** XTILECFG and XTILEDATA. */
  private static final long TILE_STATE = 0x60000;

  /** Where CPUID and XGETBV are asked. */
  interface Source {
    /** What CPUID says. */
    Cpuid.Registers cpuid(int leaf, int subleaf);

    /** XCR0: the state that the operating system saves. */
    long xcr0();
  }

  /** Source: Intel SDM volume 1, chapters 13.3, 14.3, 15.2 and 18; volume 2, CPUID. */
  static CpuFeatures of(Source source) {
    int leaves = source.cpuid(0, 0).eax();
    var basic = source.cpuid(1, 0);
    boolean saved = bit(basic.ecx(), 27);
    if (leaves < 7 || !saved) {
      return NONE;
    }
    long state = source.xcr0();
    boolean avx = has(state, AVX_STATE) && bit(basic.ecx(), 28);
    boolean tiles = has(state, TILE_STATE);
    var first = source.cpuid(7, 0);
    int second = first.eax() >= 1 ? source.cpuid(7, 1).eax() : 0;
    boolean avx512 = avx && has(state, AVX512_STATE) && bit(first.ebx(), 16);
    boolean tile = tiles && bit(first.edx(), 24);
    return new CpuFeatures(
        avx && bit(first.ebx(), 5),
        avx && bit(basic.ecx(), 12),
        avx && bit(second, 4),
        avx512,
        avx512 && bit(first.ebx(), 30),
        avx512 && bit(first.ebx(), 31),
        avx512 && bit(first.ebx(), 17),
        avx512 && bit(second, 5),
        avx512 && bit(first.ecx(), 11),
        tile,
        tile && bit(first.edx(), 22),
        tile && bit(first.edx(), 25));
  }

  private static boolean bit(int register, int number) {
    return (register >>> number & 1) != 0;
  }

  private static boolean has(long state, long needed) {
    return (state & needed) == needed;
  }
}
