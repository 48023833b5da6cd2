// Vector types for the kernel templates: GCC/clang vector extensions; no intrinsics but for stores past the caches.
// Included by ISA units only; everything is in an anonymous namespace so that every instantiation has internal linkage.
#pragma once
#include <cstdint>
#include <cstring>

#define FALTUNG_INLINE inline __attribute__((always_inline))
#define FALTUNG_LAMBDA_INLINE __attribute__((always_inline))

namespace faltung {
namespace {

template <class T, int Bytes>
struct Vec {
  typedef T type __attribute__((vector_size(Bytes)));
  typedef T loose __attribute__((vector_size(Bytes), aligned(alignof(T)), may_alias));
  static constexpr int lanes = Bytes / int(sizeof(T));
  typedef float f32x4 __attribute__((vector_size(16)));
  typedef float f32x8 __attribute__((vector_size(32)));
  typedef float f32x16 __attribute__((vector_size(64)));
  typedef double f64x2 __attribute__((vector_size(16)));
  typedef double f64x4 __attribute__((vector_size(32)));
  typedef double f64x8 __attribute__((vector_size(64)));

  static FALTUNG_INLINE type load(const T* p) { return *reinterpret_cast<const loose*>(p); }
  static FALTUNG_INLINE void store(T* p, type v) { *reinterpret_cast<loose*>(p) = v; }
  // Past the caches, where the machine can; p is aligned to the vector. Others see it after a fence.
  static FALTUNG_INLINE void stream(T* p, type v) {
#if defined(__clang__)
    __builtin_nontemporal_store(v, reinterpret_cast<type*>(p));
#elif defined(__SSE2__)
    if constexpr (Bytes == 16) __builtin_ia32_movntps(reinterpret_cast<float*>(p), (f32x4)v);
#if defined(__AVX__)
    if constexpr (Bytes == 32) __builtin_ia32_movntps256(reinterpret_cast<float*>(p), (f32x8)v);
#endif
#if defined(__AVX512F__)
    if constexpr (Bytes == 64) __builtin_ia32_movntps512(reinterpret_cast<float*>(p), (f32x16)v);
#endif
#else
    store(p, v);
#endif
  }
  static FALTUNG_INLINE void fence() {
#if defined(__SSE2__)
    __builtin_ia32_sfence();
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
  }
  // x < bound ? bound : x, and x > bound ? bound : x: NaN stays. One instruction, which compilers do not find for vectors.
  static FALTUNG_INLINE type at_least(type x, type bound) {
    static_assert(T(0.5) != T(0));
#if defined(__SSE2__) && !defined(__clang__)
    if constexpr (Bytes == 16 && sizeof(T) == 4) return (type)__builtin_ia32_maxps((f32x4)bound, (f32x4)x);
    if constexpr (Bytes == 16 && sizeof(T) == 8) return (type)__builtin_ia32_maxpd((f64x2)bound, (f64x2)x);
#if defined(__AVX__)
    if constexpr (Bytes == 32 && sizeof(T) == 4) return (type)__builtin_ia32_maxps256((f32x8)bound, (f32x8)x);
    if constexpr (Bytes == 32 && sizeof(T) == 8) return (type)__builtin_ia32_maxpd256((f64x4)bound, (f64x4)x);
#endif
#if defined(__AVX512F__)
    if constexpr (Bytes == 64 && sizeof(T) == 4)
      return (type)__builtin_ia32_maxps512_mask((f32x16)bound, (f32x16)x, (f32x16)x, -1, 4);
    if constexpr (Bytes == 64 && sizeof(T) == 8)
      return (type)__builtin_ia32_maxpd512_mask((f64x8)bound, (f64x8)x, (f64x8)x, -1, 4);
#endif
#endif
    return x < bound ? bound : x;
  }
  static FALTUNG_INLINE type at_most(type x, type bound) { return -at_least(-x, -bound); }
  static FALTUNG_INLINE type fill(T s) { return s - type{}; }  // 0 + s would be computed: -0 is not 0 + -0
};

// (re, im, re, im, ...) -> i * that = (-im, re, -im, re, ...)
template <class T, int Bytes>
FALTUNG_INLINE typename Vec<T, Bytes>::type times_i(typename Vec<T, Bytes>::type v) {
  using V = typename Vec<T, Bytes>::type;
  V swapped = v;
  for (int i = 0; i < Vec<T, Bytes>::lanes; i += 2) {
    swapped[i] = -v[i + 1];
    swapped[i + 1] = v[i];
  }
  return swapped;
}

}  // namespace
}  // namespace faltung
