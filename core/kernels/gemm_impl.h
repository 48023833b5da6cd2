// The gemm microkernel, once for every type, shape and ISA.
//
// Budget (AVX-512, 32 registers). Every term: V loads of b, R broadcasts of a, R V multiply-adds on two ports; two loads
// a cycle.
//   14x2  28 + 2 + 1 registers  16 loads for 28 multiply-adds, 0.57 each; b streams at  9 bytes a cycle
//    9x3  27 + 3 + 1            12 for 27, 0.44; 14 bytes
//    6x4  24 + 4 + 1            10 for 24, 0.42; 21 bytes
// AVX2 and baseline (16): 6x2 12 + 2 + 1, 8 loads for 12; 4x3 12 + 3 + 1, 7 for 12.
// Rows are addressed as base + r * row_step by one index register each; two bases, one for each half, make 6 of them
// enough for 14 rows.
#pragma once
#include "core/kernels/gemm.h"
#include "core/kernels/vec.h"

namespace faltung {
namespace {

template <class T, int Bytes, int R, int V>
void gemm(const GemmArgs<T>& g) {
  using Vx = Vec<T, Bytes>;
  using vec = typename Vx::type;
  constexpr int L = Vx::lanes;
  constexpr int F = (R + 1) / 2;
  const int64_t row_step = g.row_step, term_step = g.term_step, b_step = g.b_step, ahead_step = g.ahead_step;
  const char* ahead = g.ahead;
  for (int64_t tile = 0; tile < g.tiles; ++tile) {
    const int64_t row = tile * g.advance;
    vec acc[R][V] = {};
    const T* b = g.b;
    for (int64_t s = 0; s < g.segments; ++s) {
      const T* p = g.a[s] + g.at + row * row_step;
      const T* q = g.a_half[s] + g.at_half + row * row_step;
      for (int64_t t = g.depth; t > 0; --t) {
        vec right[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) right[v] = Vx::load(b + v * L);
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r) {
          const vec left = Vx::fill(r < F ? p[r * row_step] : q[(r - F) * row_step]);
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) acc[r][v] += left * right[v];
        }
        __builtin_prefetch(ahead, 0, 2);
        p += term_step;
        q += term_step;
        b += b_step;
        ahead += ahead_step;
      }
      ahead += g.ahead_jump;
    }
    if (g.sums) {
      const T* sums = g.sums + row * g.sums_step;
#pragma GCC unroll 32
      for (int r = 0; r < R; ++r, sums += g.sums_step)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] += Vx::load(sums + v * L);
    }
    if (g.bias) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const vec bias = Vx::load(g.bias + v * L);
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r) acc[r][v] += bias;
      }
    }
    if (g.row_bias) {
#pragma GCC unroll 32
      for (int r = 0; r < R; ++r) {
        const vec bias = Vx::fill(g.row_bias[row + r]);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] += bias;
      }
    }
    if (g.residual) {
      const T* low = g.residual + row * g.residual_step;
      const T* high = low + g.residual_half;
#pragma GCC unroll 32
      for (int r = 0; r < R; ++r) {
        const T* residual = r < F ? low + r * g.residual_step : high + (r - F) * g.residual_step;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] += Vx::load(residual + v * L);
      }
    }
    if (g.clip) {
      const vec lo = Vx::fill(g.lo);
#pragma GCC unroll 32
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) acc[r][v] = Vx::at_least(acc[r][v], lo);
      if (g.hi < T(__builtin_inf())) {
        const vec hi = Vx::fill(g.hi);
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
          for (int v = 0; v < V; ++v) acc[r][v] = Vx::at_most(acc[r][v], hi);
      }
    }
    T* low = g.c + row * g.ldc;
    T* high = low + g.c_half;
#pragma GCC unroll 32
    for (int r = 0; r < R; ++r) {
      T* c = r < F ? low + r * g.ldc : high + (r - F) * g.ldc;
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) Vx::store(c + v * L, acc[r][v]);
    }
  }
}

template <class T, int Bytes, int R, int V>
constexpr GemmKernel<T> gemm_row(const char* name) {
  return {name, R, V, Vec<T, Bytes>::lanes, &gemm<T, Bytes, R, V>};
}

}  // namespace
}  // namespace faltung

// Table rows: one kernel each, and all of one number of vectors up to 3, 4, ... rows.
#define FALTUNG_GEMM(T, B, type, isa, R, V) gemm_row<T, B, R, V>("gemm_" #type "_" #R "x" #V "_" #isa)
#define FALTUNG_GEMM_3(T, B, type, isa, V)                                  \
  FALTUNG_GEMM(T, B, type, isa, 1, V), FALTUNG_GEMM(T, B, type, isa, 2, V), \
      FALTUNG_GEMM(T, B, type, isa, 3, V)
#define FALTUNG_GEMM_4(T, B, type, isa, V) \
  FALTUNG_GEMM_3(T, B, type, isa, V), FALTUNG_GEMM(T, B, type, isa, 4, V)
#define FALTUNG_GEMM_6(T, B, type, isa, V) \
  FALTUNG_GEMM_4(T, B, type, isa, V), FALTUNG_GEMM(T, B, type, isa, 5, V), FALTUNG_GEMM(T, B, type, isa, 6, V)
#define FALTUNG_GEMM_9(T, B, type, isa, V)                                 \
  FALTUNG_GEMM_6(T, B, type, isa, V), FALTUNG_GEMM(T, B, type, isa, 7, V), \
      FALTUNG_GEMM(T, B, type, isa, 8, V), FALTUNG_GEMM(T, B, type, isa, 9, V)
#define FALTUNG_GEMM_14(T, B, type, isa, V)                                       \
  FALTUNG_GEMM_9(T, B, type, isa, V), FALTUNG_GEMM(T, B, type, isa, 10, V),       \
      FALTUNG_GEMM(T, B, type, isa, 11, V), FALTUNG_GEMM(T, B, type, isa, 12, V), \
      FALTUNG_GEMM(T, B, type, isa, 13, V), FALTUNG_GEMM(T, B, type, isa, 14, V)
