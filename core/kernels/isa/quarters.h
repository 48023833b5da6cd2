// A vector of 16-byte pieces from different places in memory. Intrinsics, because shufflevector of loaded pieces becomes
// shuffles between registers (GCC 12), which all queue for one port, where an insertion from memory runs on any.
#pragma once
#include "core/kernels/vec.h"
#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace faltung {
namespace {

template <class T, int Bytes>
struct Quarters;

template <class T>
struct Quarters<T, 16> {
  // Element k of `at` is the address of piece k.
  static FALTUNG_INLINE typename Vec<T, 16>::type load(const T* const* at) { return Vec<T, 16>::load(at[0]); }
};

#if defined(__AVX__)
template <class T>
struct Quarters<T, 32> {
  static FALTUNG_INLINE typename Vec<T, 32>::type load(const T* const* at) {
    const auto piece = [at](int k) FALTUNG_LAMBDA_INLINE {
      return _mm_loadu_ps(reinterpret_cast<const float*>(at[k]));
    };
    const __m256 v = _mm256_insertf128_ps(_mm256_castps128_ps256(piece(0)), piece(1), 1);
    return reinterpret_cast<typename Vec<T, 32>::type>(v);
  }
};
#endif

#if defined(__AVX512F__)
template <class T>
struct Quarters<T, 64> {
  static FALTUNG_INLINE typename Vec<T, 64>::type load(const T* const* at) {
    const auto piece = [at](int k) FALTUNG_LAMBDA_INLINE {
      return _mm_loadu_ps(reinterpret_cast<const float*>(at[k]));
    };
    __m512 v = _mm512_castps128_ps512(piece(0));
    v = _mm512_insertf32x4(v, piece(1), 1);
    v = _mm512_insertf32x4(v, piece(2), 2);
    v = _mm512_insertf32x4(v, piece(3), 3);
    return reinterpret_cast<typename Vec<T, 64>::type>(v);
  }
};
#endif

}  // namespace
}  // namespace faltung
