// Correlation across lines, once for every type, shape and ISA.
//
// Budget (AVX-512, 12x2): 24 accumulators, the two vectors of a line and a weight: 27 of 32 registers. For each line 2 loads,
// which are aligned, and 12 weights serve 24 multiply-adds (12 cycles on two ports): 0.6 loads each. A tap goes over its tile
// with the lines, so that a line is read once a tile, (taps + 11) / 12 times in all. AVX2, 6x2: 15 of 16 registers, 0.7 loads.
#pragma once
#include "core/kernels/separable.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int V>
void columns(const ColumnsArgs<T>& s) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  for (int64_t tile = 0; tile < s.tiles; ++tile) {
    const int64_t x = s.x + tile * V * L;
    if (s.ahead) {
      const int64_t at = tile * s.ahead_step;
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) __builtin_prefetch(s.ahead[r] + at + s.ahead_step * v / V, 0, 2);
    }
    vec acc[R][V] = {};
    for (int64_t n = 0; n < s.run_count; ++n) {
      const ColumnsRun<T>& run = s.runs[n];
      const T* const* lines = s.lines + run.line;
      // Line i meets rows first to last.
      const auto line = [&](int64_t i, int first, int last) FALTUNG_LAMBDA_INLINE {
        const T* w = run.weights + i;
        // Else the compiler carries weights from line to line, in registers that there are not.
        __asm__("" : "+r"(w));
        vec a[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) a[v] = Vx::load(lines[i] + x + v * L);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          if (r < first || r > last) continue;
          const vec weight = Vx::fill(w[-r]);
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) acc[r][v] += a[v] * weight;
        }
      };
#pragma GCC unroll 16
      for (int i = 0; i < R - 1; ++i) line(i, 0, i);
      for (int64_t i = R - 1; i < run.taps; ++i) line(i, 0, R - 1);
#pragma GCC unroll 16
      for (int i = 0; i < R - 1; ++i) line(run.taps + i, i + 1, R - 1);
    }
    T* c = s.c + tile * V * L;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        T* to = c + r * s.ldc + v * L;
        if (s.add) acc[r][v] += Vx::load(to);
        if (s.stream)
          Vx::stream(to, acc[r][v]);
        else
          Vx::store(to, acc[r][v]);
      }
  }
  if (s.stream) Vx::fence();
}

}  // namespace
}  // namespace faltung

#define FALTUNG_COLUMNS_ROW(T, B, type, isa, R, V) \
  {"columns_" #type "_" #R "x" #V "_" #isa, R, V, Vec<T, B>::lanes, &columns<T, B, R, V>}
