// The gemm family: outer-product tiles of a matrix product whose left operand is reached through pointers.
//
//   c[r][x] = sums[r][x] + sum over segments s, terms t of  a(s, r)[t * term_step] * b[s * depth + t][x]
//   a(s, r) = a[s] + at + r * row_step                         rows of the first half: r < (rows + 1) / 2
//             a_half[s] + at_half + (r - first) * row_step     of the second
//
// A segment is one run of terms that lie at one step: a row of a kernel in an image whose channels come last, one tap of
// it, a panel of weights. The halves of a tile may lie anywhere: beside each other, in two rows of an image, in two
// images. The last part of a reduction adds bias and residual and clips, in registers.
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct GemmArgs {
  const T* const* a;       // a pointer for each segment
  const T* const* a_half;  // and for the second half of the rows
  int64_t at, at_half;     // elements from those pointers to the first row
  int64_t segments, depth;
  int64_t row_step, term_step;
  const T* b;
  int64_t b_step;   // elements between terms
  int64_t tiles;    // along the rows
  int64_t advance;  // rows from one tile to the next, in both halves: `a`, sums, residual and c move along
  T* c;
  int64_t ldc, c_half;  // elements between rows, and from the first row to that of the second half
  const T* sums;        // of earlier terms, or null
  int64_t sums_step;    // between rows; the halves lie beside each other
  const T* bias;        // one for each column, or null
  const T* row_bias;    // one for each row, or null
  const T* residual;    // or null
  int64_t residual_step, residual_half;
  bool clip;  // x < lo ? lo : x > hi ? hi : x: NaN stays
  T lo, hi;
  // Every term asks the cache for what stands here, and moves on.
  const char* ahead;
  int64_t ahead_step, ahead_jump;  // bytes after a term, and more after a segment
};

// One kernel: a row of a constexpr table declares it and makes it selectable, testable and measurable.
template <class T>
struct GemmKernel {
  const char* name;
  int rows, vectors, lanes;
  void (*run)(const GemmArgs<T>&);
};

// Shapes of V vectors have all rows from 1 to the most that registers hold, ascending; V ascends too.
template <class T>
struct GemmTable {
  const GemmKernel<T>* kernels;
  int count;
};

}  // namespace faltung

#define FALTUNG_DECLARE_GEMM(isa)                                            \
  extern "C" const faltung::GemmTable<float> faltung_gemm_f32_##isa##_table; \
  extern "C" const faltung::GemmTable<double> faltung_gemm_f64_##isa##_table;
FALTUNG_DECLARE_GEMM(baseline)
FALTUNG_DECLARE_GEMM(avx2)
FALTUNG_DECLARE_GEMM(avx512)
