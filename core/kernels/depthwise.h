// The depthwise family: every channel with a kernel of its own, channels side by side in memory.
//
//   c[r][x][ch] = act(sum over runs, kernel rows i, taps t of
//                       row(run.row + r + i)[(x + t) * step + run.offset + ch] * w[ch][run][i][t]  + bias[ch] + residual)
//
// Vectors are channels. A tile is `rows` output rows of `columns` positions of one vector of channels; neighbouring positions
// and neighbouring taps are both `step` apart, so that one load serves rows x taps multiply-adds. Strides and dilations are
// dense stencils each (core/ops/depthwise_dense.h), which runs and row tables tell apart. Rows are reached through a table of
// pointers: boundaries, outer axes, packed and unpacked lines are a matter of which pointer stands there.
#pragma once
#include <cstdint>

namespace faltung {

struct DepthwiseRun {
  int64_t row;         // first entry of the row table
  int64_t offset;      // elements from a position to the first tap
  int64_t rows, taps;  // taps of a kernel row, at most the kernel's most_taps
  bool flush;          // sums are set aside after this run: no register adds up more than 256 terms
  int64_t skip = 0;    // taps whose weights stand before this run's and meet nothing
};

template <class T>
struct DepthwiseArgs {
  const T* const* rows;
  const DepthwiseRun* runs;
  int64_t run_count;
  int64_t step;            // elements between neighbouring positions of a row
  int64_t x;               // elements from what the table points at to the first position
  int64_t tiles;           // side by side
  int64_t channels;        // at least a vector of them: the last vector ends where they end
  const T* weights;        // of each vector of channels: run after run [rows][taps][lanes]
  int64_t vector_weights;  // elements from one vector's to the next one's
  T* c;
  int64_t c_row, c_step;  // elements between rows and between neighbouring positions of c
  const T* bias;          // of the channels, or null
  const T* residual;      // what is added to c[0][0][0], or null
  int64_t residual_row, residual_step;
  bool clip;
  T lo, hi;
  // Rows that tiles will read later, fetched into the second cache meanwhile: so many positions of each a tile.
  const T* const* ahead;
  int64_t ahead_rows, ahead_count, ahead_step;
  bool ahead_outputs;  // also the rows of c behind the tile's
};

template <class T>
struct DepthwiseKernel {
  const char* name;
  int rows, columns, lanes, most_taps;
  void (*run)(const DepthwiseArgs<T>&);
};

// Kernels of most rows first, of as many rows by falling columns; the last has one row and one column.
template <class T>
struct DepthwiseTable {
  const DepthwiseKernel<T>* kernels;
  int count;
  // y[i] = clip(y[i] + bias + residual[i]); residual may be null.
  void (*finish)(T* y, int64_t n, T bias, const T* residual, T lo, T hi);
};

}  // namespace faltung

#define FALTUNG_DECLARE_DEPTHWISE(isa)                                                 \
  extern "C" const faltung::DepthwiseTable<float> faltung_depthwise_f32_##isa##_table; \
  extern "C" const faltung::DepthwiseTable<double> faltung_depthwise_f64_##isa##_table;
FALTUNG_DECLARE_DEPTHWISE(baseline)
FALTUNG_DECLARE_DEPTHWISE(avx2)
FALTUNG_DECLARE_DEPTHWISE(avx512)
