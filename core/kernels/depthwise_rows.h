// Depthwise on planes: a vector holds neighbouring positions of one row, so that nothing is turned.
//
//   c[h][r][i] = act(sum over planes p, chunks k, columns j, taps t of
//                      p.x[h * half_step + k.offset + columns[j] + (r + t) * row_step + column + i] * w[p][k][j][t][h]
//                    + bias[h] + residual[h][r][i])            r < rows, i < count, h < halves
//
// of entries r + t in [k.begin, k.end) alone: rows outside are left out. Samples lie packed with their border, one plane for
// every phase of a column stride. A tile is `rows` output rows of `vectors` vectors; one load of samples serves all rows that it
// meets, and the taps of a kernel column stay in registers. Where rows are short, a vector is two halves: the same rows of two
// channels.
#pragma once
#include <cstdint>

namespace faltung {

template <class T>
struct DepthwisePlane {
  const T *x, *weights;
};

// Kernel rows that are taken at once.
struct DepthwiseChunk {
  int64_t offset;      // elements from a plane to entry 0
  int64_t begin, end;  // entries that exist
  int64_t taps;        // at most the kernel's most_taps
};

template <class T>
struct DepthwiseRowsArgs {
  const DepthwisePlane<T>* planes;
  int64_t plane_count;
  const DepthwiseChunk* chunks;
  int64_t chunk_count;
  const int64_t* columns;  // elements from an entry to what a kernel column reads
  int64_t column_count;
  int64_t row_step, half_step, column;
  int64_t rows, count;  // of results: at most those of the tile, more than all its vectors but one
  int halves;           // that have results
  T* c;
  int64_t c_row, c_half;
  const T* bias;      // of each half, or null
  const T* residual;  // what is added to c[0][0][0], or null
  int64_t residual_row, residual_half;
  bool clip;
  T lo, hi;
};

template <class T>
struct DepthwiseRowsKernel {
  const char* name;
  int rows, vectors, halves, lanes, most_taps;  // lanes: of a half
  void (*run)(const DepthwiseRowsArgs<T>&);
};

// Rows of samples into a plane: sample i of a row goes to phase (lead + i) % phases, position (lead + i) / phases. Up to two
// vectors behind a row's last sample may become zeros.
template <class T>
struct DepthwisePackArgs {
  const T* from;
  int64_t from_step, rows, count;
  T* to;
  int64_t to_step, lead, phases, phase_step;
};

template <class T>
struct DepthwiseRowsTable {
  const DepthwiseRowsKernel<T>* kernels;  // one half first, most vectors first, by falling rows down to 1
  int count;
  void (*pack)(const DepthwisePackArgs<T>&);
};

}  // namespace faltung

#define FALTUNG_DECLARE_DEPTHWISE_ROWS(isa)                                                     \
  extern "C" const faltung::DepthwiseRowsTable<float> faltung_depthwise_rows_f32_##isa##_table; \
  extern "C" const faltung::DepthwiseRowsTable<double> faltung_depthwise_rows_f64_##isa##_table;
FALTUNG_DECLARE_DEPTHWISE_ROWS(baseline)
FALTUNG_DECLARE_DEPTHWISE_ROWS(avx2)
FALTUNG_DECLARE_DEPTHWISE_ROWS(avx512)
