// The stencil family: what a microkernel computes, and the table rows through which the upper floors reach it.
//
//   c[r][x] = sums[r][x] + sum over runs, taps t, group g of  row(run.row + r + g)[x + run.offset + t * step] * w[t][g]
//
// A tile has `rows` output rows of `vectors` vectors each; `group` kernel rows are taken at once, so that every loaded vector
// serves min(rows, group) multiply-adds. Rows are reached through a table of pointers: boundaries, N-D planes, dilated and
// strided rows are all a matter of which pointer stands in the table.
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct StencilRun {
  const T* weights;  // [taps][group], complex: [taps][group][re, im]
  int64_t row;       // first entry of the row table
  int64_t offset;    // elements from x to the first tap
  int64_t taps;
};

template <class T>
struct StencilArgs {
  const T* const* rows;
  const StencilRun<T>* runs;
  int64_t run_count;
  int64_t step;     // elements between neighbouring taps of a run
  int64_t x;        // first output column, in elements
  int64_t tiles;    // tiles side by side
  int64_t advance;  // elements from one tile to the next
  T* c;             // first output of the first tile
  int64_t ldc;      // elements between output rows
  const T* sums;    // tile of earlier sums to add, rows beside each other without a gap; or null
  // Lines that will be packed next, one for each tile row, or null: every tile asks the cache for `ahead_step` bytes more of
  // each, so that packing finds them near.
  const char* const* ahead;
  int64_t ahead_at, ahead_step;
};

// One kernel: a row of a constexpr table declares it and makes it selectable, testable and measurable.
template <class T>
struct StencilKernel {
  const char* name;
  int rows, vectors, lanes, group;
  bool complex_weights;
  void (*run)(const StencilArgs<T>&);
};

template <class T>
struct StencilTable {
  const StencilKernel<T>* kernels;
  int count;
};

}  // namespace faltung

#define FALTUNG_DECLARE_STENCIL(isa)                                                \
  extern "C" const faltung::StencilTable<float> faltung_stencil_f32_##isa##_table;  \
  extern "C" const faltung::StencilTable<double> faltung_stencil_f64_##isa##_table; \
  extern "C" const faltung::StencilTable<uint64_t> faltung_stencil_u64_##isa##_table;
FALTUNG_DECLARE_STENCIL(baseline)
FALTUNG_DECLARE_STENCIL(avx2)
FALTUNG_DECLARE_STENCIL(avx512)
