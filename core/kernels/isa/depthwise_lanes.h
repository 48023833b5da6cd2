// Some lanes of a vector, and vectors of two halves. Intrinsics, because compilers have no word for masked moves.
#pragma once
#include "core/kernels/vec.h"
#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace faltung {
namespace {

// Lanes [begin, begin + n): of memory, only those are touched.
template <class T, int Bytes>
struct SomeLanes {
  using Vx = Vec<T, Bytes>;
  int64_t begin, n;

  FALTUNG_INLINE SomeLanes(int64_t first, int64_t count) : begin(first), n(count) {}
  FALTUNG_INLINE typename Vx::type load(const T* p) const {
    T lanes[Vx::lanes] = {};
    for (int64_t i = begin; i < begin + n; ++i) lanes[i] = p[i];
    return Vx::load(lanes);
  }
  FALTUNG_INLINE void store(T* p, typename Vx::type v) const {
    T lanes[Vx::lanes];
    Vx::store(lanes, v);
    for (int64_t i = begin; i < begin + n; ++i) p[i] = lanes[i];
  }
};

#if defined(__AVX__) && !defined(__AVX512F__)
template <class T>
struct SomeLanes<T, 32> {
  using vec = typename Vec<T, 32>::type;
  __m256i mask;

  FALTUNG_INLINE SomeLanes(int64_t begin, int64_t n) {
    if constexpr (sizeof(T) == 4) {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      mask = _mm256_and_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(int(begin + n)), lane),
                              _mm256_cmpgt_epi32(lane, _mm256_set1_epi32(int(begin) - 1)));
    } else {
      const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
      mask = _mm256_and_si256(_mm256_cmpgt_epi64(_mm256_set1_epi64x(begin + n), lane),
                              _mm256_cmpgt_epi64(lane, _mm256_set1_epi64x(begin - 1)));
    }
  }
  FALTUNG_INLINE vec load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return (vec)_mm256_maskload_ps(reinterpret_cast<const float*>(p), mask);
    else
      return (vec)_mm256_maskload_pd(reinterpret_cast<const double*>(p), mask);
  }
  FALTUNG_INLINE void store(T* p, vec v) const {
    if constexpr (sizeof(T) == 4)
      _mm256_maskstore_ps(reinterpret_cast<float*>(p), mask, (__m256)v);
    else
      _mm256_maskstore_pd(reinterpret_cast<double*>(p), mask, (__m256d)v);
  }
};
#endif

#if defined(__AVX512F__)
template <class T>
struct SomeLanes<T, 64> {
  using vec = typename Vec<T, 64>::type;
  unsigned mask;

  FALTUNG_INLINE SomeLanes(int64_t begin, int64_t n) : mask(((1u << n) - 1) << begin) {}
  FALTUNG_INLINE vec load(const T* p) const {
    if constexpr (sizeof(T) == 4)
      return (vec)_mm512_maskz_loadu_ps(__mmask16(mask), p);
    else
      return (vec)_mm512_maskz_loadu_pd(__mmask8(mask), p);
  }
  FALTUNG_INLINE void store(T* p, vec v) const {
    if constexpr (sizeof(T) == 4)
      _mm512_mask_storeu_ps(p, __mmask16(mask), (__m512)v);
    else
      _mm512_mask_storeu_pd(p, __mmask8(mask), (__m512d)v);
  }
};
#endif

// A vector of H parts, each from its own place or filled with its own number.
template <class T, int Bytes, int H>
struct Parts {
  static_assert(H == 1);
  using Vx = Vec<T, Bytes>;
  static FALTUNG_INLINE typename Vx::type load(const T* p, int64_t) { return Vx::load(p); }
  static FALTUNG_INLINE typename Vx::type fill(const T* p) { return Vx::fill(*p); }
};

#if defined(__AVX512F__)
template <>
struct Parts<float, 64, 2> {
  using vec = typename Vec<float, 64>::type;
  using half = typename Vec<float, 32>::type;
  // By instruction: shufflevector becomes a copy and a shuffle that waits for the multipliers' port, where an insertion from
  // memory runs on any.
  static FALTUNG_INLINE vec join(half a, half b) {
    vec v;
    __asm__("vinsertf64x4 $1, %2, %g1, %0" : "=v"(v) : "v"(a), "vm"(b));
    return v;
  }
  static FALTUNG_INLINE vec load(const float* p, int64_t step) {
    return join(Vec<float, 32>::load(p), Vec<float, 32>::load(p + step));
  }
  static FALTUNG_INLINE vec fill(const float* p) {
    return join(Vec<float, 32>::fill(p[0]), Vec<float, 32>::fill(p[1]));
  }
};
#endif

}  // namespace
}  // namespace faltung
