// The gradient microkernel, once for every type, shape and ISA.
//
// Budget (AVX-512, 32 registers): rows x taps sums, U gradients of neighbouring positions and a sample, which meets up to
// U of them:
//   3 rows of 3, U = 4    9 + 4 + 1 registers   3 x 6 + 4 loads for 36 multiply-adds, 0.61 each
//   5 rows of 5, U = 4   25 + 4 + 1             5 x 8 + 4 for 100, 0.44
//   4 rows of 7, U = 2   28 + 2 + 1             4 x 8 + 2 for 56, 0.61
// With 16 registers 3 of 3 (14), 2 of 5 (15), 1 of 7 (12). Where stride or dilation keep taps from sharing samples every
// multiply-add loads its own.
#pragma once
#include "core/kernels/gradient.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int K>
struct GradientTile {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  vec acc[R][K];

  // U positions side by side, x_step == tap_step.
  template <int U>
  FALTUNG_INLINE void dense(const T* const (&x)[R], const T* g, int64_t g_step, int64_t step) {
    vec given[U];
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) given[u] = Vx::load(g + u * g_step);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const T* p = x[r];
#pragma GCC unroll 16
      for (int j = 0; j < U + K - 1; ++j, p += step) {
        const vec sample = Vx::load(p);
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k)
          if (j - k >= 0 && j - k < U) acc[r][k] += given[j - k] * sample;
      }
    }
  }

  FALTUNG_INLINE void loose(const T* const (&x)[R], const T* g, int64_t step) {
    const vec given = Vx::load(g);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) acc[r][k] += given * Vx::load(x[r] + k * step);
  }
};

template <class T, int Bytes, bool Dense, int R, int K, int U>
void gradient(const GradientArgs<T>& s) {
  using Tile = GradientTile<T, Bytes, R, K>;
  using Vx = typename Tile::Vx;
  using vec = typename Tile::vec;
  Tile t;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) t.acc[r][k] = vec{};
  const int64_t g_step = s.g_step;
  for (int64_t n = 0; n < s.count; ++n) {
    const int64_t x_step = s.runs[n].x_step, tap_step = s.runs[n].tap_step;
    const T* g = s.runs[n].g + s.at;
    const T* x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = s.x[r * s.x_next + n] + s.at + s.tap * tap_step;
    int64_t j = s.runs[n].depth;
    if constexpr (Dense) {
      for (; j >= U; j -= U) {
        t.template dense<U>(x, g, g_step, x_step);
        g += U * g_step;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) x[r] += U * x_step;
      }
      for (; j > 0; --j) {
        t.template dense<1>(x, g, g_step, x_step);
        g += g_step;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) x[r] += x_step;
      }
    } else {
      for (; j > 0; --j) {
        t.loose(x, g, tap_step);
        g += g_step;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) x[r] += x_step;
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      T* to = s.sums + r * s.row_step + k * s.sum_step;
      Vx::store(to, s.first ? t.acc[r][k] : Vx::load(to) + t.acc[r][k]);
    }
}

}  // namespace
}  // namespace faltung

// Table rows: one kernel each, and all of one number of taps up to 2, 3, ... kernel rows.
#define FALTUNG_GRADIENT(T, B, type, isa, D, R, K, U)                                      \
  {"gradient_" #type "_" #R "x" #K "_" #D "_" #isa, kGradient_##D, R, K, Vec<T, B>::lanes, \
   &gradient<T, B, kGradient_##D, R, K, U>}
#define FALTUNG_GRADIENT_2(T, B, type, isa, D, K, U) \
  FALTUNG_GRADIENT(T, B, type, isa, D, 1, K, U), FALTUNG_GRADIENT(T, B, type, isa, D, 2, K, U)
#define FALTUNG_GRADIENT_3(T, B, type, isa, D, K, U) \
  FALTUNG_GRADIENT_2(T, B, type, isa, D, K, U), FALTUNG_GRADIENT(T, B, type, isa, D, 3, K, U)
#define FALTUNG_GRADIENT_4(T, B, type, isa, D, K, U) \
  FALTUNG_GRADIENT_3(T, B, type, isa, D, K, U), FALTUNG_GRADIENT(T, B, type, isa, D, 4, K, U)
#define FALTUNG_GRADIENT_5(T, B, type, isa, D, K, U) \
  FALTUNG_GRADIENT_4(T, B, type, isa, D, K, U), FALTUNG_GRADIENT(T, B, type, isa, D, 5, K, U)
#define FALTUNG_GRADIENT_7(T, B, type, isa, D, K, U)                                           \
  FALTUNG_GRADIENT_5(T, B, type, isa, D, K, U), FALTUNG_GRADIENT(T, B, type, isa, D, 6, K, U), \
      FALTUNG_GRADIENT(T, B, type, isa, D, 7, K, U)

// Stride or dilation: as many sums as hide the latency of the multiply-adds.
#define FALTUNG_GRADIENT_LOOSE(T, B, type, isa)                                                           \
  FALTUNG_GRADIENT_7(T, B, type, isa, loose, 1, 1), FALTUNG_GRADIENT_4(T, B, type, isa, loose, 2, 1),     \
      FALTUNG_GRADIENT_3(T, B, type, isa, loose, 3, 1), FALTUNG_GRADIENT_2(T, B, type, isa, loose, 4, 1), \
      FALTUNG_GRADIENT_2(T, B, type, isa, loose, 5, 1), FALTUNG_GRADIENT_2(T, B, type, isa, loose, 6, 1), \
      FALTUNG_GRADIENT_2(T, B, type, isa, loose, 7, 1)
#define FALTUNG_GRADIENT_32(T, B, type, isa)                                                              \
  FALTUNG_GRADIENT_7(T, B, type, isa, dense, 1, 4), FALTUNG_GRADIENT_5(T, B, type, isa, dense, 2, 4),     \
      FALTUNG_GRADIENT_5(T, B, type, isa, dense, 3, 4), FALTUNG_GRADIENT_5(T, B, type, isa, dense, 4, 4), \
      FALTUNG_GRADIENT_5(T, B, type, isa, dense, 5, 4), FALTUNG_GRADIENT_4(T, B, type, isa, dense, 6, 4), \
      FALTUNG_GRADIENT_4(T, B, type, isa, dense, 7, 2), FALTUNG_GRADIENT_LOOSE(T, B, type, isa)
#define FALTUNG_GRADIENT_16(T, B, type, isa)                                                               \
  FALTUNG_GRADIENT_7(T, B, type, isa, dense, 1, 4), FALTUNG_GRADIENT_5(T, B, type, isa, dense, 2, 4),      \
      FALTUNG_GRADIENT_3(T, B, type, isa, dense, 3, 4), FALTUNG_GRADIENT_2(T, B, type, isa, dense, 4, 4),  \
      FALTUNG_GRADIENT_2(T, B, type, isa, dense, 5, 4), FALTUNG_GRADIENT(T, B, type, isa, dense, 1, 6, 4), \
      FALTUNG_GRADIENT(T, B, type, isa, dense, 1, 7, 4), FALTUNG_GRADIENT_LOOSE(T, B, type, isa)

namespace faltung {
namespace {
constexpr bool kGradient_dense = true, kGradient_loose = false;
}  // namespace
}  // namespace faltung
