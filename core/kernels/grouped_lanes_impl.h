// Small groups with channels in lanes, once for every type, shape and ISA.
//
// Budget (AVX-512, 32 registers; loads for a multiply-add, of which two may start in a cycle as loads may)
//   folded 4x6   24 sums + 6 samples + a weight: 31; a tap is 6 + 4 loads for 24: 0.42
//   folded 8x3   24 + 3 + 1; 3 + 8 for 24: 0.46
//   folded 2x12  24 + 2 weights + a sample; 14 for 24: 0.58
//   spread 1x14  14 + 3 weights + a sample; stride 1, 3 taps: 16 + 3 for 42: 0.45; stride 2: 29 + 3: 0.76
//   spread 2x7   14 + 3 + 1; 18 + 3 for 42: 0.5; one tap: 14 + 1 for 14: 1.07
// Folding costs J - 1 shuffles and additions a vector of outputs, beside taps * J multiply-adds: 14 of 72 for 3 x 3 and
// J = 8, 6 of 36 for J = 4. Spreading in registers would cost a shuffle for every two or three multiply-adds, on one of
// their two ports; a spread load costs none. AVX2 (16): folded 4x3 12 + 3 and a weight; spread 1x8, 3 taps: 8 + 3 + 1.
// Measured on samples in the near cache, of 242 GFLOP/s: spread 1x14 225, 2x7 211, folded 8x3 175, 4x6 167, 2x12 145.
#pragma once
#include "core/kernels/grouped_impl.h"
#include "core/kernels/grouped_lanes.h"

namespace faltung {
namespace {

// Lane l of the result is lane l ^ Bit.
template <int Bit, int... I>
struct Exchange {
  template <class V>
  static FALTUNG_INLINE V of(V v) {
    return __builtin_shufflevector(v, v, (I ^ Bit)...);
  }
};
template <int Bit, int N, int... I>
struct CountExchange : CountExchange<Bit, N - 1, N - 1, I...> {};
template <int Bit, int... I>
struct CountExchange<Bit, 0, I...> {
  using type = Exchange<Bit, I...>;
};

// c[l] = sum over j < J of sums[j][l ^ j], halving J.
template <int J, int L, class V>
FALTUNG_INLINE V fold(V* sums) {
  if constexpr (J == 1) {
    return sums[0];
  } else {
    constexpr int half = J / 2;
#pragma GCC unroll 8
    for (int j = 0; j < half; ++j) sums[j] += CountExchange<half, L>::type::of(sums[j + half]);
    return fold<half, L>(sums);
  }
}

template <class T, int Bytes>
struct LanesFinish {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  const T* residual;
  bool clip, caps;
  vec lo, hi;

  explicit FALTUNG_INLINE LanesFinish(const GroupedLanesArgs<T>& g)
      : residual(g.residual),
        clip(g.clip),
        caps(g.clip && g.hi < T(__builtin_inf())),
        lo(Vx::fill(g.lo)),
        hi(Vx::fill(g.hi)) {}
  FALTUNG_INLINE void store(vec y, T* to, int64_t residual_at) const {
    if (residual) y += Vx::load(residual + residual_at);
    if (clip) y = Vx::at_least(y, lo);
    if (caps) y = Vx::at_most(y, hi);
    Vx::store(to, y);
  }
};

// One tap: samples stay in registers while weights pass, or where there are few sums, weights while samples pass. The first
// tap fills the sums: clearing them would cost a port as a multiplication does.
template <class T, int Bytes, int J, int C, bool First>
FALTUNG_INLINE void fold_tap(typename Vec<T, Bytes>::type (&acc)[C][J], const T* x, int64_t step,
                             const T* w) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes, outer = J > 2 ? C : J, inner = J > 2 ? J : C;
  const auto sample = [&](int c) FALTUNG_LAMBDA_INLINE { return Vx::load(x + c * step); };
  const auto weight = [&](int j) FALTUNG_LAMBDA_INLINE { return Vx::load(w + j * L); };
  vec held[outer];
#pragma GCC unroll 16
  for (int o = 0; o < outer; ++o) {
    held[o] = J > 2 ? sample(o) : weight(o);
    if constexpr (inner > 1) keep(held[o]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < inner; ++i) {
    vec passing = J > 2 ? weight(i) : sample(i);
    if constexpr (outer > 1) keep(passing);
#pragma GCC unroll 16
    for (int o = 0; o < outer; ++o) {
      vec& sum = acc[J > 2 ? o : i][J > 2 ? i : o];
      if constexpr (First)
        sum = held[o] * passing;
      else
        sum += held[o] * passing;
    }
  }
}

template <class T, int Bytes, int J, int C>
void folded(const GroupedLanesArgs<T>& g) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  const int64_t step = g.step, run_count = g.run_count;
  const LanesFinish<T, Bytes> finish(g);
  for (int64_t tile = 0; tile < g.tiles; ++tile) {
    const T* x = g.x + tile * C * step;
    vec acc[C][J];
    const T* w = g.weights;
    fold_tap<T, Bytes, J, C, true>(acc, x + g.runs[0].offset, step, w);
    for (int64_t n = 1; n < run_count; ++n)
      fold_tap<T, Bytes, J, C, false>(acc, x + g.runs[n].offset, step, w += J * L);
    const vec bias = g.bias ? Vx::load(g.bias) : vec{};
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      const int64_t at = tile * C + c;
      finish.store(fold<J, L>(acc[c]) + bias, g.c + at * g.c_step, at * g.residual_step);
    }
  }
}

// S: the stride where taps share samples, 0 where they do not.
template <class T, int Bytes, int R, int C, int S>
struct SpreadTile {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  static constexpr int L = Vx::lanes;

  vec acc[R][C];

  template <int K>
  FALTUNG_INLINE void meet(const T* x, int64_t row_step, int64_t channels, const T* w) {
    for (; channels > 0; --channels, ++x, w += K * L) {
      vec weight[K];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) {
        weight[k] = Vx::load(w + k * L);
        keep(weight[k]);
      }
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 64
        for (int i = 0; i < (C - 1) * S + K; ++i) {
          const vec a = Vx::fill(x[r * row_step + i * L]);
#pragma GCC unroll 8
          for (int k = 0; k < K; ++k)
            if (i >= k && (i - k) % S == 0 && (i - k) / S < C) acc[r][(i - k) / S] += a * weight[k];
        }
    }
  }

  FALTUNG_INLINE void meet_one(const T* x, int64_t row_step, int64_t step, int64_t channels, const T* w) {
    for (; channels > 0; --channels, ++x, w += L) {
      const vec weight = Vx::load(w);
#pragma GCC unroll 2
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int c = 0; c < C; ++c) acc[r][c] += Vx::fill(x[r * row_step + c * step]) * weight;
    }
  }

  FALTUNG_INLINE void run(const GroupedLanesRun& run, const T* x, int64_t row_step, int64_t step,
                          const T* w) {
    if constexpr (S != 0) {
      switch (run.taps) {
        case 2:
          return meet<2>(x, row_step, run.channels, w);
        case 3:
          return meet<3>(x, row_step, run.channels, w);
        case 4:
          return meet<4>(x, row_step, run.channels, w);
        case 5:
          return meet<5>(x, row_step, run.channels, w);
      }
    }
    meet_one(x, row_step, step, run.channels, w);
  }

  template <class F>
  FALTUNG_INLINE void each(F f) {
#pragma GCC unroll 2
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) f(acc[r][c], r, c);
  }
};

template <class T, int Bytes, int R, int C, int S>
void spread_tiles(const GroupedLanesArgs<T>& g) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  for (int64_t tile = 0; tile < g.tiles; ++tile) {
    const T* x = g.x + tile * C * g.step;
    SpreadTile<T, Bytes, R, C, S> t;
    t.each([](vec& y, int, int) FALTUNG_LAMBDA_INLINE { y = vec{}; });
    alignas(Bytes) T aside[R * C * L];
    bool flushed = false;
    const T* w = g.weights;
    for (int64_t n = 0; n < g.run_count; ++n) {
      const GroupedLanesRun& run = g.runs[n];
      t.run(run, x + run.offset, g.row_step, g.step, w);
      w += run.channels * run.taps * L;
      if (run.flush) [[unlikely]] {
        t.each([&](vec& y, int r, int c) FALTUNG_LAMBDA_INLINE {
          T* to = aside + (r * C + c) * L;
          Vx::store(to, flushed ? Vx::load(to) + y : y);
          y = vec{};
        });
        flushed = true;
      }
    }
    if (flushed) [[unlikely]]
      t.each([&](vec& y, int r, int c) FALTUNG_LAMBDA_INLINE { y += Vx::load(aside + (r * C + c) * L); });
    const LanesFinish<T, Bytes> finish(g);
    const vec bias = g.bias ? Vx::load(g.bias) : vec{};
    t.each([&](vec& y, int r, int c) FALTUNG_LAMBDA_INLINE {
      const int64_t at = tile * C + c;
      finish.store(y + bias, g.c + r * g.c_row + at * g.c_step, r * g.residual_row + at * g.residual_step);
    });
  }
}

template <class T, int Bytes, int R, int C>
void spread(const GroupedLanesArgs<T>& g) {
  constexpr int L = Vec<T, Bytes>::lanes;
  if (g.step == L)
    spread_tiles<T, Bytes, R, C, 1>(g);
  else if (g.step == 2 * L)
    spread_tiles<T, Bytes, R, C, 2>(g);
  else
    spread_tiles<T, Bytes, R, C, 0>(g);
}

template <class T, int Bytes>
void collect(const T* from, int64_t step, T* to, int64_t panel_step, int64_t panels, int64_t positions) {
  using Vx = Vec<T, Bytes>;
  for (int64_t p = 0; p < positions; ++p, from += step, to += Vx::lanes) {
    T* panel = to;
    for (int64_t b = 0; b < panels; ++b, panel += panel_step)
      Vx::store(panel, Vx::load(from + b * Vx::lanes));
  }
}

}  // namespace
}  // namespace faltung

#define FALTUNG_FOLDED(T, B, type, isa, J, C) \
  {"folded_" #type "_" #J "x" #C "_" #isa, J, 1, C, Vec<T, B>::lanes, &folded<T, B, J, C>}
#define FALTUNG_SPREAD(T, B, type, isa, R, C) \
  {"spread_" #type "_" #R "x" #C "_" #isa, 0, R, C, Vec<T, B>::lanes, &spread<T, B, R, C>}
// A unit is its rows and this.
#define FALTUNG_GROUPED_LANES_TABLE(T, B, type, isa)                                              \
  extern "C" const faltung::GroupedLanesTable<T> faltung_grouped_lanes_##type##_##isa##_table = { \
      faltung::kRows, sizeof(faltung::kRows) / sizeof(faltung::kRows[0]), &faltung::collect<T, B>};
