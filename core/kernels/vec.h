// Vector types for the kernel templates: GCC/clang vector extensions, no intrinsics.
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

  static FALTUNG_INLINE type load(const T* p) { return *reinterpret_cast<const loose*>(p); }
  static FALTUNG_INLINE void store(T* p, type v) { *reinterpret_cast<loose*>(p) = v; }
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
