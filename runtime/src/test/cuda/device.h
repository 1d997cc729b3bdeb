// What the software NVRTC puts before every kernel: CUDA's built-in variables, types and functions, as far as kernels
// of Gatun use them, for g++. Nothing else is included, so that a kernel finds as little of the host's C++ as with
// NVRTC. All threads of a block run in one thread of the operating system, in turns; the driver switches between them
// at barriers.
//
// __global__, __shared__ and __launch_bounds__ are left for the compiler of kernels (compile.cpp), which gives them a
// meaning.
#pragma once

#include "module.h"

#define GATUN_SOFTWARE 1

#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__
#define SOFT_UNCHECKED __attribute__((no_sanitize("kernel-address")))

typedef decltype(sizeof(0)) size_t;

extern "C" {
void* memcpy(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);
}

// --- vectors ---

using soft::uint3;
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define SOFT_VECTOR(Type, Name)                                                       \
  struct __align__(2 * sizeof(Type)) Name##2 { Type x, y; };                          \
  struct __align__(4 * sizeof(Type) > 16 ? 16 : 4 * sizeof(Type)) Name##4 { Type x, y, z, w; }; \
  inline Name##2 make_##Name##2(Type x, Type y) { return {x, y}; }                    \
  inline Name##3 make_##Name##3(Type x, Type y, Type z) { return {x, y, z}; }         \
  inline Name##4 make_##Name##4(Type x, Type y, Type z, Type w) { return {x, y, z, w}; }
#define SOFT_VECTORS(Type, Name)       \
  struct Name##3 { Type x, y, z; };    \
  SOFT_VECTOR(Type, Name)
SOFT_VECTORS(signed char, char)
SOFT_VECTORS(unsigned char, uchar)
SOFT_VECTORS(short, short)
SOFT_VECTORS(unsigned short, ushort)
SOFT_VECTORS(int, int)
SOFT_VECTOR(unsigned, uint)
SOFT_VECTORS(long long, longlong)
SOFT_VECTORS(unsigned long long, ulonglong)
SOFT_VECTORS(float, float)
SOFT_VECTORS(double, double)

// --- where a thread is ---

// Not among the variables that are zero at first: those are taken for shared memory.
extern soft::State soft_state;
__attribute__((section(".data"))) soft::State soft_state = {};
__attribute__((aligned(1024), used)) char soft_dynamic[soft::DYNAMIC_MOST];

static const uint3& threadIdx = soft_state.threadIdx;
static const uint3& blockIdx = soft_state.blockIdx;
static const uint3& blockDim = soft_state.blockDim;
static const uint3& gridDim = soft_state.gridDim;
static constexpr int warpSize = 32;

#ifdef SOFT_CHECKED
// g++ calls these before every load and store.
extern "C" {
#define SOFT_CHECK(bytes, Word, ones)                                                                    \
  SOFT_UNCHECKED void __asan_load##bytes##_noabort(unsigned long at) {                                   \
    unsigned long offset = at - soft_state.memory;                                                       \
    if (offset < soft::ARENA_BYTES && offset % bytes == 0 &&                                             \
        *reinterpret_cast<Word*>(soft_state.shadow + offset) == static_cast<Word>(ones * soft::WRITTEN)) \
      return;                                                                                            \
    soft_state.services.check(at, bytes, false);                                                        \
  }                                                                                                      \
  SOFT_UNCHECKED void __asan_store##bytes##_noabort(unsigned long at) {                                  \
    unsigned long offset = at - soft_state.memory;                                                       \
    if (offset < soft::ARENA_BYTES && offset % bytes == 0 &&                                             \
        *reinterpret_cast<Word*>(soft_state.shadow + offset) == static_cast<Word>(ones * soft::WRITTEN)) \
      return;                                                                                            \
    soft_state.services.check(at, bytes, true);                                                         \
  }
SOFT_CHECK(1, unsigned char, 0x01u)
SOFT_CHECK(2, unsigned short, 0x0101u)
SOFT_CHECK(4, unsigned, 0x01010101u)
SOFT_CHECK(8, unsigned long, 0x0101010101010101u)
#undef SOFT_CHECK
SOFT_UNCHECKED void __asan_load16_noabort(unsigned long at) { soft_state.services.check(at, 16, false); }
SOFT_UNCHECKED void __asan_store16_noabort(unsigned long at) { soft_state.services.check(at, 16, true); }
SOFT_UNCHECKED void __asan_loadN_noabort(unsigned long at, unsigned long n) { soft_state.services.check(at, n, false); }
SOFT_UNCHECKED void __asan_storeN_noabort(unsigned long at, unsigned long n) { soft_state.services.check(at, n, true); }
SOFT_UNCHECKED void __asan_handle_no_return() {}
}
#endif

// --- barriers and warps ---

// With its line: threads that wait at different barriers do not wait for each other.
#define __syncthreads() ((void)soft_state.services.barrier(soft::PLAIN, 0, __LINE__))
#define __syncthreads_count(predicate) (soft_state.services.barrier(soft::COUNT, (predicate) != 0, __LINE__))
#define __syncthreads_and(predicate) (soft_state.services.barrier(soft::AND, (predicate) != 0, __LINE__))
#define __syncthreads_or(predicate) (soft_state.services.barrier(soft::OR, (predicate) != 0, __LINE__))

inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
SOFT_UNCHECKED inline T soft_shuffle(unsigned mask, T value, int source) {
  T all[32];
  unsigned took = soft_state.services.exchange(mask, &value, sizeof(T), all);
  if (source < 0) {
    return value;
  }
  if (!(took >> source & 1)) {
    soft_state.services.fail("a shuffle reads from a lane that does not take part");
  }
  return all[source];
}

inline void __syncwarp(unsigned mask = 0xffffffffu) { soft_shuffle(mask, '\0', -1); }

// Each lane reads within a segment of so many lanes; from outside of it, its own value.
template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  return soft_shuffle(mask, value, (soft_state.lane & ~(width - 1)) + (source & (width - 1)));
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  int lane = soft_state.lane, source = lane ^ lanes;
  return soft_shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : -1);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  int lane = soft_state.lane, source = lane - static_cast<int>(lanes);
  return soft_shuffle(mask, value, source >= (lane & ~(width - 1)) ? source : -1);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  int lane = soft_state.lane, source = lane + static_cast<int>(lanes);
  return soft_shuffle(mask, value, source < (lane & ~(width - 1)) + width ? source : -1);
}

SOFT_UNCHECKED inline unsigned __ballot_sync(unsigned mask, int predicate) {
  char mine = predicate != 0, all[32];
  unsigned took = soft_state.services.exchange(mask, &mine, 1, all), votes = 0;
  for (int lane = 0; lane < 32; lane++) {
    votes |= (took >> lane & 1) && all[lane] ? 1u << lane : 0;
  }
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }

// --- atomics: no other thread runs meanwhile ---

template <class T>
struct soft_same {
  typedef T type;
};
#define SOFT_ATOMIC(name, result)                                       \
  template <class T>                                                    \
  inline T name(T* at, typename soft_same<T>::type value) {             \
    T old = *at;                                                        \
    *at = result;                                                       \
    return old;                                                         \
  }
SOFT_ATOMIC(atomicAdd, old + value)
SOFT_ATOMIC(atomicSub, old - value)
SOFT_ATOMIC(atomicMax, value > old ? value : old)
SOFT_ATOMIC(atomicMin, value < old ? value : old)
SOFT_ATOMIC(atomicExch, value)
SOFT_ATOMIC(atomicAnd, old & value)
SOFT_ATOMIC(atomicOr, old | value)
SOFT_ATOMIC(atomicXor, old ^ value)
#undef SOFT_ATOMIC
template <class T>
inline T atomicCAS(T* at, typename soft_same<T>::type expected, typename soft_same<T>::type value) {
  T old = *at;
  if (old == expected) {
    *at = value;
  }
  return old;
}

template <class T>
inline T __ldg(const T* at) {
  return *at;
}

// --- bits ---

template <class To, class From>
inline To soft_bits(From from) {
  To to;
  static_assert(sizeof(To) == sizeof(From));
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}
inline int __float_as_int(float value) { return soft_bits<int>(value); }
inline unsigned __float_as_uint(float value) { return soft_bits<unsigned>(value); }
inline float __int_as_float(int value) { return soft_bits<float>(value); }
inline float __uint_as_float(unsigned value) { return soft_bits<float>(value); }
inline long long __double_as_longlong(double value) { return soft_bits<long long>(value); }
inline double __longlong_as_double(long long value) { return soft_bits<double>(value); }
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __popcll(unsigned long long value) { return __builtin_popcountll(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __clz(int value) { return value ? __builtin_clz(value) : 32; }
inline int __clzll(long long value) { return value ? __builtin_clzll(value) : 64; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned long long>(a) * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned __int128>(a) * b >> 64;
}

// --- numbers ---

#define SOFT_FUNCTION1(name)                 \
  extern "C" double name(double);            \
  extern "C" float name##f(float);           \
  inline float name(float x) { return name##f(x); }
#define SOFT_FUNCTION2(name)                 \
  extern "C" double name(double, double);    \
  extern "C" float name##f(float, float);    \
  inline float name(float x, float y) { return name##f(x, y); }
SOFT_FUNCTION1(exp)
SOFT_FUNCTION1(exp2)
SOFT_FUNCTION1(expm1)
SOFT_FUNCTION1(log)
SOFT_FUNCTION1(log2)
SOFT_FUNCTION1(log10)
SOFT_FUNCTION1(log1p)
SOFT_FUNCTION1(sin)
SOFT_FUNCTION1(cos)
SOFT_FUNCTION1(tan)
SOFT_FUNCTION1(asin)
SOFT_FUNCTION1(acos)
SOFT_FUNCTION1(atan)
SOFT_FUNCTION1(sinh)
SOFT_FUNCTION1(cosh)
SOFT_FUNCTION1(tanh)
SOFT_FUNCTION1(erf)
SOFT_FUNCTION1(erfc)
SOFT_FUNCTION1(sqrt)
SOFT_FUNCTION1(cbrt)
SOFT_FUNCTION1(floor)
SOFT_FUNCTION1(ceil)
SOFT_FUNCTION1(trunc)
SOFT_FUNCTION1(round)
SOFT_FUNCTION1(rint)
SOFT_FUNCTION1(nearbyint)
SOFT_FUNCTION1(fabs)
SOFT_FUNCTION2(pow)
SOFT_FUNCTION2(atan2)
SOFT_FUNCTION2(fmod)
SOFT_FUNCTION2(fmin)
SOFT_FUNCTION2(fmax)
SOFT_FUNCTION2(fdim)
SOFT_FUNCTION2(hypot)
SOFT_FUNCTION2(copysign)
#undef SOFT_FUNCTION1
#undef SOFT_FUNCTION2
extern "C" double fma(double, double, double);
extern "C" float fmaf(float, float, float);
extern "C" double ldexp(double, int);
extern "C" float ldexpf(float, int);
extern "C" int abs(int);
inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
inline long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }

// Under names of their own: some C libraries have them, too.
inline float soft_rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double soft_rsqrt(double x) { return 1.0 / sqrt(x); }
inline void soft_sincosf(float x, float* sine, float* cosine) {
  *sine = sinf(x);
  *cosine = cosf(x);
}
#define rsqrtf soft_rsqrtf
#define rsqrt soft_rsqrt
#define sincosf soft_sincosf

template <class A, class B>
inline decltype(true ? A() : B()) min(A a, B b) {
  return b < a ? b : a;
}
template <class A, class B>
inline decltype(true ? A() : B()) max(A a, B b) {
  return a < b ? b : a;
}
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

#define SOFT_TESTS(Type)                                            \
  inline bool isnan(Type x) { return __builtin_isnan(x); }          \
  inline bool isinf(Type x) { return __builtin_isinf(x); }          \
  inline bool isfinite(Type x) { return __builtin_isfinite(x); }    \
  inline bool signbit(Type x) { return __builtin_signbit(x); }
SOFT_TESTS(float)
SOFT_TESTS(double)
#undef SOFT_TESTS

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frsqrt_rn(float a) { return static_cast<float>(1.0 / sqrt(static_cast<double>(a))); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __double2float_rn(double x) { return static_cast<float>(x); }

// --- the table of kernels ---

// A kernel as the driver calls it: with its parameters packed, each at a multiple of its alignment.
template <auto function>
struct soft_kernel;
template <class... Types, void (*function)(Types...)>
struct soft_kernel<function> {
  template <unsigned... indices>
  struct Indices {};

  static constexpr unsigned count = sizeof...(Types);

  static constexpr unsigned offset(unsigned index) {
    const unsigned sizes[] = {sizeof(Types)..., 0}, alignments[] = {alignof(Types)..., 1};
    unsigned at = 0;
    for (unsigned i = 0; i < index; i++) {
      at = (at + alignments[i] - 1) / alignments[i] * alignments[i] + sizes[i];
    }
    return (at + alignments[index] - 1) / alignments[index] * alignments[index];
  }

  template <unsigned... indices>
  struct Table {
    static constexpr soft::Parameter parameters[] = {{offset(indices), sizeof(Types)}..., {0, 0}};
  };

  template <unsigned... indices>
  SOFT_UNCHECKED static void unpack(const char* parameters, Indices<indices...>) {
    function(*reinterpret_cast<const Types*>(parameters + offset(indices))...);
  }

  SOFT_UNCHECKED static void call(const char* parameters) {
    unpack(parameters, Indices<__integer_pack(count)...>());
  }

  static constexpr soft::KernelEntry entry(const char* name, unsigned threads) {
    return {name, &call, threads, offset(count), count, Table<__integer_pack(count)...>::parameters};
  }
};

// Where the linker puts the variables that are zero at first. Hidden: every other file in the process has such names,
// too.
extern "C" __attribute__((visibility("hidden"))) char __bss_start[], _end[];
