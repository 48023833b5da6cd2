// Columns of rows: `lanes` samples of every row into the halves of lane pairs, measured on the way, and back.
//
// Rows lie far apart, often a multiple of 4096 bytes: no prefetcher of the processor follows them, and what the next columns
// share a cache line with has left L1 by then. So every row asks L2 for the columns after the next.
#pragma once
#include "core/kernels/spectral_lines_impl.h"

namespace faltung {
namespace {

template <class T, class S, int Bytes>
struct SpectralColumns {
  using Vx = Vec<T, Bytes>;
  using V = typename Vx::type;
  static constexpr int L = Vx::lanes;
  typedef S Samples __attribute__((vector_size(L * sizeof(S))));
  typedef S Loose __attribute__((vector_size(L * sizeof(S)), aligned(alignof(S)), may_alias));
  static constexpr int64_t kAhead = 2 * L;  // samples

  static FALTUNG_INLINE V load(const S* p) {
    return __builtin_convertvector(Samples(*reinterpret_cast<const Loose*>(p)), V);
  }
  static FALTUNG_INLINE void store(S* p, V v) {
    *reinterpret_cast<Loose*>(p) = __builtin_convertvector(v, Samples);
  }

  // Even or odd elements of two vectors side by side.
  template <int First>
  static FALTUNG_INLINE V every_other(V a, V b) {
    V r;
    for (int l = 0; l < L; ++l) r[l] = 2 * l + First < L ? a[(2 * l + First) % L] : b[(2 * l + First) % L];
    return r;
  }
  template <int Half>
  static FALTUNG_INLINE V interleave(V a, V b) {
    V r;
    for (int l = 0; l < L; ++l) r[l] = l % 2 == 0 ? a[Half * L / 2 + l / 2] : b[Half * L / 2 + l / 2];
    return r;
  }

  struct Measure {
    V most, sum, broken{};
    FALTUNG_INLINE Measure(const T* largest, const T* squares)
        : most(Vx::load(largest)), sum(Vx::load(squares)) {}
    FALTUNG_INLINE void add(V x) {
      const V size = x < V{} ? -x : x;
      most = size > most ? size : most;
      sum += x * x;
      broken += x - x;  // 0, or NaN for NaN and infinities
    }
    FALTUNG_INLINE void finish(T* largest, T* squares) const {
      const V infinity = Vx::fill(std::numeric_limits<T>::infinity());
      Vx::store(largest, broken == V{} ? most : infinity);
      Vx::store(squares, sum);
    }
  };

  static void take(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* z, T* largest,
                   T* squares) {
    Measure measure(largest, squares);
    for (int64_t i = 0; i < n; ++i) {
      const S* from = reinterpret_cast<const S*>(rows[i] + offset);
      __builtin_prefetch(from + kAhead, 0, 2);
      const V x = load(from);
      Vx::store(z + at[i], x);
      measure.add(x);
    }
    measure.finish(largest, squares);
  }

  static void take_complex(const char* const* rows, int64_t offset, const int64_t* at, int64_t n, T* z,
                           T* largest, T* squares) {
    Measure measure(largest, squares);
    for (int64_t i = 0; i < n; ++i) {
      const S* from = reinterpret_cast<const S*>(rows[i] + offset);
      __builtin_prefetch(from + 2 * kAhead, 0, 2);
      const V a = load(from), b = load(from + L);
      const V re = every_other<0>(a, b), im = every_other<1>(a, b);
      Vx::store(z + at[i], re);
      Vx::store(z + at[i] + L, im);
      measure.add(re);
      measure.add(im);
    }
    measure.finish(largest, squares);
  }

  static void give(const T* z, const int64_t* at, int64_t n, char* const* rows, int64_t offset) {
    for (int64_t i = 0; i < n; ++i) {
      if (!rows[i]) continue;
      S* to = reinterpret_cast<S*>(rows[i] + offset);
      __builtin_prefetch(to + kAhead, 1, 2);
      store(to, Vx::load(z + at[i]));
    }
  }

  static void give_complex(const T* z, const int64_t* at, int64_t n, char* const* rows, int64_t offset) {
    for (int64_t i = 0; i < n; ++i) {
      if (!rows[i]) continue;
      S* to = reinterpret_cast<S*>(rows[i] + offset);
      const V re = Vx::load(z + at[i]), im = Vx::load(z + at[i] + L);
      store(to, interleave<0>(re, im));
      store(to + L, interleave<1>(re, im));
    }
  }
};

}  // namespace
}  // namespace faltung
