// The depthwise microkernel on planes, once for every type, shape and ISA.
//
// Budget (AVX-512, 8 x 2 tile, 7 taps): 16 accumulators, 7 weights and a sample: 24 of 32 registers. A kernel column of 3 taps
// takes 10 entries of 2 vectors, two cache lines each where they are unaligned, and 3 broadcasts: 43 line reads against 48
// multiply-adds, which two ports each serve; 7 taps 63 against 112. 7 x 1 and 3 taps: 21 against 21, whether one or two halves
// (twice the loads, of half a line each). Borders of rows cost a compare for each entry that a tile may lack. AVX2: 8 x 1 and
// 7 taps hold 8 accumulators, 7 weights and a sample in 16.
#pragma once
#include "core/kernels/depthwise_rows.h"
#include "core/kernels/isa/depthwise_lanes.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int V, int H>
struct DepthwiseRowsTile {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  static constexpr int L = Vx::lanes;

  vec acc[R][V];

  FALTUNG_INLINE void clear() {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] = vec{};
  }

  template <class F>
  FALTUNG_INLINE void each(F f) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) f(acc[r][v], r, v);
  }

  // One kernel column: entry y meets output rows y - K + 1 to y.
  template <int K>
  FALTUNG_INLINE void meet(const T* x, int64_t row_step, int64_t half_step, int64_t begin, int64_t end,
                           const T* w) {
    vec weight[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) weight[k] = Parts<T, Bytes, H>::fill(w + k * H);
#pragma GCC unroll 16
    for (int y = 0; y < R + K - 1; ++y, x += row_step) {
      if (y >= begin && y < end) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          const vec a = Parts<T, Bytes, H>::load(x + v * L, half_step);
#pragma GCC unroll 8
          for (int k = 0; k < K; ++k)
            if (y - k >= 0 && y - k < R) acc[y - k][v] += a * weight[k];
        }
      }
    }
  }
};

template <class T, int Bytes, int R, int V, int H>
void depthwise_rows(const DepthwiseRowsArgs<T>& s) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes, kChain = 256;
  DepthwiseRowsTile<T, Bytes, R, V, H> t;
  t.clear();
  alignas(Bytes) T aside[R * V * L];
  bool flushed = false;
  int64_t terms = 0;
  // Sums are set aside before a register would add up more than kChain terms.
  const auto count = [&](int64_t more) FALTUNG_LAMBDA_INLINE {
    terms += more;
    if (terms > kChain) [[unlikely]] {
      T* sum = aside;
      t.each([&](vec& y, int r, int v) FALTUNG_LAMBDA_INLINE {
        T* to = sum + (r * V + v) * L;
        Vx::store(to, flushed ? Vx::load(to) + y : y);
      });
      t.clear();
      flushed = true;
      terms = more;
    }
  };
  for (int64_t p = 0; p < s.plane_count; ++p) {
    const T* w = s.planes[p].weights;
    for (int64_t n = 0; n < s.chunk_count; ++n) {
      const DepthwiseChunk& chunk = s.chunks[n];
      const T* x = s.planes[p].x + chunk.offset + s.column;
      const int64_t begin = chunk.begin, end = chunk.end;
#define FALTUNG_MEET(K)                                                             \
  case K:                                                                           \
    for (int64_t j = 0; j < s.column_count; ++j, w += K * H) {                      \
      count(K);                                                                     \
      t.template meet<K>(x + s.columns[j], s.row_step, s.half_step, begin, end, w); \
    }                                                                               \
    break;
      switch (chunk.taps) {
        FALTUNG_MEET(1)
        FALTUNG_MEET(2)
        FALTUNG_MEET(3)
        FALTUNG_MEET(4)
        FALTUNG_MEET(5)
        FALTUNG_MEET(6)
        FALTUNG_MEET(7)
      }
#undef FALTUNG_MEET
    }
  }
  if (flushed) [[unlikely]] {
    const T* sum = aside;
    t.each([&](vec& y, int r, int v) FALTUNG_LAMBDA_INLINE { y += Vx::load(sum + (r * V + v) * L); });
  }
  if (s.bias) {
    const vec bias = Parts<T, Bytes, H>::fill(s.bias);
    t.each([&](vec& y, int, int) FALTUNG_LAMBDA_INLINE { y += bias; });
  }
  // A half's results stand in lanes from h * L / H on. Arguments are read before the first store, which may alias them.
  const int64_t rows = s.rows, n = s.count - (V - 1) * L;
  const SomeLanes<T, Bytes> low(0, n), high(H == 2 ? L / 2 : 0, n);
  const bool both = H == 2 && s.halves == 2;
  if (s.residual) {
    const T* from = s.residual;
    const int64_t row = s.residual_row, half = s.residual_half - L / 2;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r, from += row) {
      if (r == rows) break;
#pragma GCC unroll 4
      for (int v = 0; v + 1 < V; ++v) t.acc[r][v] += Vx::load(from + v * L);
      t.acc[r][V - 1] += low.load(from + (V - 1) * L);
      if (both) t.acc[r][V - 1] += high.load(from + half);
    }
  }
  if (s.clip) {
    const vec lo = Vx::fill(s.lo), hi = Vx::fill(s.hi);
    t.each([&](vec& y, int, int) FALTUNG_LAMBDA_INLINE {
      y = Vx::at_least(y, lo);  // NaN stays
      y = Vx::at_most(y, hi);
    });
  }
  T* to = s.c;
  const int64_t row = s.c_row, half = s.c_half - L / 2;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r, to += row) {
    if (r == rows) break;
#pragma GCC unroll 4
    for (int v = 0; v + 1 < V; ++v) Vx::store(to + v * L, t.acc[r][v]);
    low.store(to + (V - 1) * L, t.acc[r][V - 1]);
    if (both) high.store(to + half, t.acc[r][V - 1]);
  }
}

// Elements First, First + 2, ... of two vectors.
template <int First, class V>
FALTUNG_INLINE V every_second(V a, V b) {
  constexpr int L = int(sizeof(V) / sizeof(a[0])), f = First;
  if constexpr (L == 16)
    return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14, f + 16,
                                   f + 18, f + 20, f + 22, f + 24, f + 26, f + 28, f + 30);
  else if constexpr (L == 8)
    return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6, f + 8, f + 10, f + 12, f + 14);
  else if constexpr (L == 4)
    return __builtin_shufflevector(a, b, f, f + 2, f + 4, f + 6);
  else
    return __builtin_shufflevector(a, b, f, f + 2);
}

template <class T, int Bytes>
void depthwise_pack(const DepthwisePackArgs<T>& s) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int64_t L = Vx::lanes;
  if (s.phases == 1) {
    const int64_t whole = s.count / L * L;
    const SomeLanes<T, Bytes> rest(0, s.count - whole);
    const T* from = s.from;
    T* to = s.to + s.lead;
    for (int64_t r = 0; r < s.rows; ++r, from += s.from_step, to += s.to_step) {
      for (int64_t i = 0; i < whole; i += L) Vx::store(to + i, Vx::load(from + i));
      if (whole < s.count) Vx::store(to + whole, rest.load(from + whole));
    }
    return;
  }
  if (s.phases == 2) {
    const int64_t whole = s.count / (2 * L) * (2 * L), left = s.count - whole;
    const SomeLanes<T, Bytes> first(0, left < L ? left : L), second(0, left < L ? 0 : left - L);
    const T* from = s.from;
    T* even = s.to + s.lead % 2 * s.phase_step + s.lead / 2;
    T* odd = s.to + (s.lead + 1) % 2 * s.phase_step + (s.lead + 1) / 2;
    for (int64_t r = 0; r < s.rows; ++r, from += s.from_step, even += s.to_step, odd += s.to_step) {
      const auto split = [&](int64_t i, vec a, vec b) FALTUNG_LAMBDA_INLINE {
        Vx::store(even + i / 2, every_second<0>(a, b));
        Vx::store(odd + i / 2, every_second<1>(a, b));
      };
      for (int64_t i = 0; i < whole; i += 2 * L) split(i, Vx::load(from + i), Vx::load(from + i + L));
      if (left > 0) split(whole, first.load(from + whole), second.load(from + whole + L));
    }
    return;
  }
  for (int64_t r = 0; r < s.rows; ++r)
    for (int64_t i = 0; i < s.count; ++i)
      s.to[(s.lead + i) % s.phases * s.phase_step + r * s.to_step + (s.lead + i) / s.phases] =
          s.from[r * s.from_step + i];
}

}  // namespace
}  // namespace faltung

#define FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, R, V, H) \
  {"depthwise_rows_" #type "_" #R "x" #V "h" #H "_" #isa,    \
   R,                                                        \
   V,                                                        \
   H,                                                        \
   Vec<T, B>::lanes / H,                                     \
   7,                                                        \
   &depthwise_rows<T, B, R, V, H>}
#define FALTUNG_DEPTHWISE_ROWS_COLUMN(T, B, type, isa, V, H) \
  FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, 8, V, H),      \
      FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, 7, V, H),  \
      FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, 4, V, H),  \
      FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, 2, V, H),  \
      FALTUNG_DEPTHWISE_ROWS_ROW(T, B, type, isa, 1, V, H)
