// The stencil microkernel, once for every type, shape and ISA.
//
// Budget (AVX-512, 32 registers; 6x3 tile, group 7): 18 accumulators + 7 weights + 3 inputs = 28 registers. Per tap column:
// 6*7*3 = 126 multiply-adds (63 cycles on two ports) against (6+7-1)*3 = 36 vector loads, two cache lines each when unaligned,
// + 7 broadcasts = 79 line reads (40 cycles): 0.34 loads a multiply-add. Measured on L1-resident rows: 135 of 185 GFLOP/s.
// The tall 20x1 tile (20 + 8 + 1 registers) loads least: (20+8-1) loads of two lines and 8 broadcasts serve 160 multiply-adds,
// 0.39 line reads each, measured 178 of 185 GFLOP/s (group 5: 140, group 3: 100, the rest is stores). It needs rows that do not fall into the same cache sets: packed lines, or blocks of one line.
#pragma once
#include "core/kernels/stencil.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int V, int G, bool Complex>
void stencil(const StencilArgs<T>& s) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  constexpr int kParts = Complex ? 2 : 1;
  for (int64_t tile = 0; tile < s.tiles; ++tile) {
    const int64_t x = s.x + tile * s.advance;
    if (s.ahead) {
      const int64_t at = s.ahead_at + tile * s.ahead_step;
#pragma GCC unroll 32
      for (int r = 0; r < R; ++r) __builtin_prefetch(s.ahead[r] + at, 0, 2);
    }
    vec acc[kParts][R][V] = {};
    for (int64_t n = 0; n < s.run_count; ++n) {
      const StencilRun<T>& run = s.runs[n];
      const T* w = run.weights;
      const T* row[R + G - 1];
#pragma GCC unroll 32
      for (int i = 0; i < R + G - 1; ++i) row[i] = s.rows[run.row + i] + x + run.offset;
      int64_t o = 0;
      for (int64_t t = 0; t < run.taps; ++t, o += s.step, w += G * kParts) {
        vec weight[G][kParts];
#pragma GCC unroll 16
        for (int g = 0; g < G; ++g)
#pragma GCC unroll 2
          for (int p = 0; p < kParts; ++p) weight[g][p] = Vx::fill(w[g * kParts + p]);
#pragma GCC unroll 32
        for (int i = 0; i < R + G - 1; ++i) {
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) {
            const vec a = Vx::load(row[i] + o + v * L);
#pragma GCC unroll 16
            for (int g = 0; g < G; ++g) {
              const int r = i - g;
              if (r >= 0 && r < R) {
#pragma GCC unroll 2
                for (int p = 0; p < kParts; ++p) acc[p][r][v] += a * weight[g][p];
              }
            }
          }
        }
      }
    }
    T* c = s.c + tile * s.advance;
#pragma GCC unroll 32
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        vec y = acc[0][r][v];
        if constexpr (Complex) y += times_i<T, Bytes>(acc[1][r][v]);
        if (s.sums) y += Vx::load(s.sums + (r * V + v) * L);
        Vx::store(c + r * s.ldc + v * L, y);
      }
    }
  }
}

template <class T, int Bytes, int R, int V, int G, bool Complex>
constexpr StencilKernel<T> stencil_row(const char* name) {
  return {name, R, V, Vec<T, Bytes>::lanes, G, Complex, &stencil<T, Bytes, R, V, G, Complex>};
}

}  // namespace
}  // namespace faltung

// Table rows: one kernel each, and the groups 1..N of one shape.
#define FALTUNG_ROW(T, B, type, isa, R, V, G) \
  stencil_row<T, B, R, V, G, false>("stencil_" #type "_" #R "x" #V "_g" #G "_" #isa)
#define FALTUNG_ROW_COMPLEX(T, B, type, isa, R, V, G) \
  stencil_row<T, B, R, V, G, true>("stencil_complex_" #type "_" #R "x" #V "_g" #G "_" #isa)
#define FALTUNG_ROWS_2(ROW, T, B, type, isa, R, V) \
  ROW(T, B, type, isa, R, V, 1), ROW(T, B, type, isa, R, V, 2)
#define FALTUNG_ROWS_4(ROW, T, B, type, isa, R, V) \
  FALTUNG_ROWS_2(ROW, T, B, type, isa, R, V), ROW(T, B, type, isa, R, V, 3), ROW(T, B, type, isa, R, V, 4)
#define FALTUNG_ROWS_8(ROW, T, B, type, isa, R, V)                                                          \
  FALTUNG_ROWS_4(ROW, T, B, type, isa, R, V), ROW(T, B, type, isa, R, V, 5), ROW(T, B, type, isa, R, V, 6), \
      ROW(T, B, type, isa, R, V, 7), ROW(T, B, type, isa, R, V, 8)
