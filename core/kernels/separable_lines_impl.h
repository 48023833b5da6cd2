// Correlation along four turned lines, once for every type and ISA.
//
// Budget of a tile of J blocks (AVX-512: J = 4, AVX2: 2): 4 J accumulators, the loaded vector and four weights: 21 of 32
// registers, 13 of 16. For each q (step 1): J loads, which cross a cache line three times in four, and 4 weights, for 4 J
// multiply-adds: 11 line reads (5.5 cycles) for 16 (8 cycles on two ports). Turning costs 2 shuffles a vector each way.
#pragma once
#include "core/kernels/separable.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <int... I>
struct Indices {};
template <int N, int... I>
struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I>
struct CountTo<0, I...> {
  using type = Indices<I...>;
};

// Transposes 4 x 4 blocks: element j of block g of row r <-> element r of block g of row j.
template <class T, int Bytes>
struct Turn {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  static constexpr int L = Vx::lanes;

  // The first step takes pairs of rows, the second puts two pairs side by side. Single elements move within 16 bytes, which
  // hold two pairs of float and one of double.
  template <bool High>
  static constexpr int pair(int i) {
    const int block = i / 4 * 4, j = i % 4, from = j % 2 ? L : 0;
    return from + block + (sizeof(T) == 4 ? j / 2 + 2 * High : j / 2 * 2 + High);
  }
  template <bool High>
  static constexpr int join(int i) {
    const int block = i / 4 * 4, j = i % 4;
    return (j < 2 ? 0 : L) + block + j % 2 + 2 * High;
  }
  template <bool High, int... I>
  static FALTUNG_INLINE vec pairs(vec a, vec b, Indices<I...>) {
    return __builtin_shufflevector(a, b, pair<High>(I)...);
  }
  template <bool High, int... I>
  static FALTUNG_INLINE vec joined(vec a, vec b, Indices<I...>) {
    return __builtin_shufflevector(a, b, join<High>(I)...);
  }

  static FALTUNG_INLINE void run(const vec in[kLines], vec out[kLines]) {
    constexpr typename CountTo<L>::type all;
    const vec a0 = pairs<false>(in[0], in[1], all), a1 = pairs<true>(in[0], in[1], all);
    const vec b0 = pairs<false>(in[2], in[3], all), b1 = pairs<true>(in[2], in[3], all);
    constexpr int second = sizeof(T) == 4 ? 1 : 2;
    out[0] = joined<false>(a0, b0, all);
    out[second] = joined<true>(a0, b0, all);
    out[3 - second] = joined<false>(a1, b1, all);
    out[3] = joined<true>(a1, b1, all);
  }
};

template <class T, int Bytes>
void turn_lines(const T* const rows[kLines], int64_t columns, T* planes, int64_t plane) {
  using Vx = Vec<T, Bytes>;
  for (int64_t x = 0; x < columns; x += Vx::lanes) {
    typename Vx::type row[kLines], turned[kLines];
#pragma GCC unroll 4
    for (int r = 0; r < kLines; ++r) row[r] = Vx::load(rows[r] + x);
    Turn<T, Bytes>::run(row, turned);
#pragma GCC unroll 4
    for (int b = 0; b < kLines; ++b) Vx::store(planes + b * plane + x, turned[b]);
  }
}

template <int N>
struct Number {
  static constexpr int value = N;
};

// J blocks from column x on.
template <class T, int Bytes, int S, int J>
FALTUNG_INLINE void lines_tile(const LinesArgs<T>& s, int64_t x, typename Vec<T, Bytes>::type& squares) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  // Load c of round u, at q = S u + c, serves k = c + S m with tap u - m.
  constexpr int kLate = (kLines - 1) / S;  // rounds after which the first load of a tap was its last
  vec acc[kLines][J] = {};
  const T* plane[kLines];
#pragma GCC unroll 4
  for (int b = 0; b < kLines; ++b) plane[b] = s.planes + b * s.plane + x;
  // Round 4 v + i, of the taps that are `first` to `last` rounds old.
  const auto round = [&](int64_t v, int i, int first, int last) FALTUNG_LAMBDA_INLINE {
    const T* w = s.weights + kLines * v + i;
#pragma GCC unroll 4
    for (int c = 0; c < S; ++c) {
      const int q = S * i + c;
      const T* p = plane[q % kLines] + kLines * S * v + q / kLines * kLines;
      vec weight[kLate + 1];
#pragma GCC unroll 4
      for (int m = 0; m <= kLate; ++m)
        if (c + S * m < kLines && m >= first && m <= last) weight[m] = Vx::fill(w[-m]);
#pragma GCC unroll 8
      for (int j = 0; j < J; ++j) {
        const vec a = Vx::load(p + j * L);
#pragma GCC unroll 4
        for (int m = 0; m <= kLate; ++m)
          if (c + S * m < kLines && m >= first && m <= last) acc[c + S * m][j] += a * weight[m];
      }
    }
  };
  // Taps before the first and behind the last are left out, for what they would meet need not be finite.
  const auto few = [&](auto taps) FALTUNG_LAMBDA_INLINE {
    constexpr int n = decltype(taps)::value;
#pragma GCC unroll 8
    for (int u = 0; u < n + kLate; ++u) round(0, u, u < n ? 0 : u - n + 1, u < kLate ? u : kLate);
  };
  const auto rest = [&](int64_t v, auto taps) FALTUNG_LAMBDA_INLINE {
    constexpr int n = decltype(taps)::value;
#pragma GCC unroll 8
    for (int u = 0; u < n + kLate; ++u) round(v, u, u < n ? 0 : u - n + 1, kLate);
  };
  if (s.taps < kLines) {
    s.taps == 1 ? few(Number<1>{}) : s.taps == 2 ? few(Number<2>{}) : few(Number<3>{});
  } else {
#pragma GCC unroll 4
    for (int u = 0; u < kLines; ++u) round(0, u, 0, u < kLate ? u : kLate);
    const int64_t end = s.taps / kLines;
    for (int64_t v = 1; v < end; ++v) {
#pragma GCC unroll 4
      for (int u = 0; u < kLines; ++u) round(v, u, 0, kLate);
    }
    switch (s.taps % kLines) {
      case 0:
        rest(end, Number<0>{});
        break;
      case 1:
        rest(end, Number<1>{});
        break;
      case 2:
        rest(end, Number<2>{});
        break;
      default:
        rest(end, Number<3>{});
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
    vec turned[kLines], row[kLines];
#pragma GCC unroll 4
    for (int k = 0; k < kLines; ++k) turned[k] = acc[k][j];
    Turn<T, Bytes>::run(turned, row);
#pragma GCC unroll 4
    for (int r = 0; r < kLines; ++r) {
      T* c = s.rows[r] + x + j * L;
      if (s.add) row[r] += Vx::load(c);
      squares += row[r] * row[r];
      Vx::store(c, row[r]);
    }
  }
}

template <class T, int Bytes, int S>
void lines(const LinesArgs<T>& s) {
  constexpr int L = Vec<T, Bytes>::lanes, J = Bytes == 64 ? 4 : 2;
  typename Vec<T, Bytes>::type squares = {};
  int64_t x = 0;
  for (; x + J * L <= s.columns; x += J * L) lines_tile<T, Bytes, S, J>(s, x, squares);
  if constexpr (J > 2) {
    if (x + 2 * L <= s.columns) {
      lines_tile<T, Bytes, S, 2>(s, x, squares);
      x += 2 * L;
    }
  }
  if (x < s.columns) lines_tile<T, Bytes, S, 1>(s, x, squares);
  for (int l = 0; l < L; ++l) *s.squares += squares[l];
}

}  // namespace
}  // namespace faltung

#define FALTUNG_LINES_TABLE(T, B, type, isa)                                       \
  extern "C" const faltung::LinesTable<T> faltung_lines_##type##_##isa##_table = { \
      "lines_" #type "_" #isa,                                                     \
      faltung::Vec<T, B>::lanes,                                                   \
      &faltung::turn_lines<T, B>,                                                  \
      {&faltung::lines<T, B, 1>, &faltung::lines<T, B, 2>, &faltung::lines<T, B, 3>}};
