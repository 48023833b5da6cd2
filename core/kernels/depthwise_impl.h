// The depthwise microkernel, once for every type, shape and ISA.
//
// Budget (AVX-512, 2x8 tile, 7 taps): 16 accumulators, 2 x 7 weights and a sample: 31 of 32 registers. A row of samples costs
// 8 + 7 - 1 loads and 14 of weights for 112 multiply-adds: 0.25 loads each; 3 taps 0.33, 5 taps 0.28. One row of 8 with 7 taps:
// 0.38. With 16 registers 2x4 and 3 taps (8 + 6 + 1): 0.5; 1x8 and 7 taps (8 + 7 + 1): 0.38.
#pragma once
#include "core/kernels/depthwise.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int C, int MostTaps>
struct DepthwiseTile {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  static constexpr int L = Vx::lanes;

  vec acc[R][C];

  FALTUNG_INLINE void clear() {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) acc[r][c] = vec{};
  }

  template <class F>
  FALTUNG_INLINE void each(F f) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) f(acc[r][c], r, c);
  }

  // Calls f(sum, where it stands), rows and positions so many elements apart.
  template <class Pointer, class F>
  FALTUNG_INLINE void walk(Pointer first, int64_t row, int64_t step, F f) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r, first += row) {
      Pointer at = first;
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c, at += step) f(acc[r][c], at);
    }
  }

  // One row of samples meets output rows first to last; `w` is the kernel row that it is to output row 0.
  template <int K>
  FALTUNG_INLINE void meet(const T* x, int64_t step, const T* w, int first, int last) {
    vec weight[R][K];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int k = 0; k < K; ++k)
        if (r >= first && r <= last) weight[r][k] = Vx::load(w + (k - r * K) * L);
#pragma GCC unroll 32
    for (int j = 0; j < C + K - 1; ++j) {
      const vec a = Vx::load(x);
      x += step;
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int k = 0; k < K; ++k)
          if (r >= first && r <= last && j - k >= 0 && j - k < C) acc[r][j - k] += a * weight[r][k];
    }
  }

  template <int K>
  FALTUNG_INLINE void run(const T* const* rows, int64_t n, int64_t at, int64_t step, const T* w) {
    static_assert(R <= 2);
    if constexpr (R == 2) meet<K>(rows[0] + at, step, w, 0, 0);
    for (int64_t i = R - 1; i < n; ++i) meet<K>(rows[i] + at, step, w + i * K * L, 0, R - 1);
    if constexpr (R == 2) meet<K>(rows[n] + at, step, w + n * K * L, 1, 1);
  }
};

template <class T, int Bytes, int R, int C, int MostTaps>
void depthwise(const DepthwiseArgs<T>& s) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  const int64_t vectors = (s.channels + L - 1) / L;
  for (int64_t tile = 0; tile < s.tiles; ++tile) {
    const T* weights = s.weights;
    for (int64_t v = 0; v < vectors; ++v, weights += s.vector_weights) {
      const int64_t ch = v + 1 < vectors ? v * L : s.channels - L;
      const int64_t x = s.x + tile * C * s.step + ch;
      for (int64_t i = 0; i < s.ahead_rows; ++i) {
        const T* p = s.ahead[i] + tile * s.ahead_count * s.ahead_step + ch;
        for (int64_t n = s.ahead_count; n > 0; --n, p += s.ahead_step) __builtin_prefetch(p, 0, 2);
      }
      if (s.ahead_outputs) {
        const T* p = s.c + R * s.c_row + tile * C * s.c_step + ch;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r, p += s.c_row)
#pragma GCC unroll 16
          for (int c = 0; c < C; ++c) __builtin_prefetch(p + c * s.c_step, 1, 2);
      }
      DepthwiseTile<T, Bytes, R, C, MostTaps> t;
      t.clear();
      alignas(Bytes) T aside[R * C * L];
      bool flushed = false;
      const T* w = weights;
      for (int64_t n = 0; n < s.run_count; ++n) {
        const DepthwiseRun& run = s.runs[n];
        const T* const* rows = s.rows + run.row;
        const int64_t at = x + run.offset;
        w += run.skip * L;
        switch (run.taps) {
          case 1:
            t.template run<1>(rows, run.rows, at, s.step, w);
            break;
          case 2:
            t.template run<2>(rows, run.rows, at, s.step, w);
            break;
          case 3:
            t.template run<3>(rows, run.rows, at, s.step, w);
            break;
          case 4:
            if constexpr (MostTaps >= 4) t.template run<4>(rows, run.rows, at, s.step, w);
            break;
          case 5:
            if constexpr (MostTaps >= 5) t.template run<5>(rows, run.rows, at, s.step, w);
            break;
          case 6:
            if constexpr (MostTaps >= 6) t.template run<6>(rows, run.rows, at, s.step, w);
            break;
          case 7:
            if constexpr (MostTaps >= 7) t.template run<7>(rows, run.rows, at, s.step, w);
            break;
        }
        w += run.rows * run.taps * L;
        if (run.flush) [[unlikely]] {
          T* sum = aside;
          t.each([&](vec& y, int r, int c) FALTUNG_LAMBDA_INLINE {
            T* to = sum + (r * C + c) * L;
            Vx::store(to, flushed ? Vx::load(to) + y : y);
          });
          t.clear();
          flushed = true;
        }
      }
      if (flushed) [[unlikely]] {
        const T* sum = aside;
        t.each([&](vec& y, int r, int c) FALTUNG_LAMBDA_INLINE { y += Vx::load(sum + (r * C + c) * L); });
      }
      if (s.bias) {
        const vec bias = Vx::load(s.bias + ch);
        t.each([&](vec& y, int, int) FALTUNG_LAMBDA_INLINE { y += bias; });
      }
      if (s.residual) {
        const T* from = s.residual + tile * C * s.residual_step + ch;
        t.walk(from, s.residual_row, s.residual_step,
               [](vec& y, const T* at) FALTUNG_LAMBDA_INLINE { y += Vx::load(at); });
      }
      if (s.clip) {
        const vec lo = Vx::fill(s.lo), hi = Vx::fill(s.hi);
        t.each([&](vec& y, int, int) FALTUNG_LAMBDA_INLINE {
          y = y < lo ? lo : y;  // NaN stays
          y = y > hi ? hi : y;
        });
      }
      t.walk(s.c + tile * C * s.c_step + ch, s.c_row, s.c_step,
             [](vec& y, T* at) FALTUNG_LAMBDA_INLINE { Vx::store(at, y); });
    }
  }
}

template <class T, int Bytes>
void depthwise_finish(T* y, int64_t n, T bias, const T* residual, T lo, T hi) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  const vec b = Vx::fill(bias), low = Vx::fill(lo), high = Vx::fill(hi);
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    vec v = Vx::load(y + i) + b;
    if (residual) v += Vx::load(residual + i);
    v = v < low ? low : v;
    v = v > high ? high : v;
    Vx::store(y + i, v);
  }
  for (; i < n; ++i) {
    T v = y[i] + bias;
    if (residual) v += residual[i];
    v = v < lo ? lo : v;
    y[i] = v > hi ? hi : v;
  }
}

}  // namespace
}  // namespace faltung

#define FALTUNG_DEPTHWISE_ROW(T, B, type, isa, R, C, K) \
  {"depthwise_" #type "_" #R "x" #C "_" #isa, R, C, Vec<T, B>::lanes, K, &depthwise<T, B, R, C, K>}
