// The separable family: correlation along lines, four of them at once, and across lines.
//
// Along lines an unaligned load crosses a cache line almost always, and every tap would need another one for each of its
// multiply-adds. So lines are turned first: columns 4 g + b of four rows stand side by side in plane b, group g:
//
//   plane b:  | r0 r1 r2 r3 of column b | of column 4 + b | of column 8 + b | ...
//
// The result of column 4 g + k with tap t reads column 4 g + q, q = k + t * step: plane q % 4, q / 4 groups on. One load
// there serves every k and t with that q, four of them where step is 1; and it moves by whole groups.
//
// Across lines a tile takes the lines from top to bottom, and gives each to all its rows:
//
//   c[r][x] = (c[r][x] where asked) + sum over runs and taps t of  lines[run.line + r + t][x] * weights[t]
#pragma once
#include <cstdint>

namespace faltung {

inline constexpr int kLines = 4;

template <class T>
struct LinesArgs {
  const T* planes;
  int64_t plane;  // elements from one to the next
  const T* weights;
  int64_t taps;
  int64_t columns;  // a multiple of the lanes
  T* rows[kLines];  // results, in natural order
  bool add;         // to what stands there
  T* squares;  // the sum of the results' squares is added to it: NaN and infinities show, and a bound on the largest
};

// Kernels of steps 1, 2 and 3 (elements from tap to tap).
inline constexpr int kLinesSteps = 3;

template <class T>
struct LinesTable {
  const char* name;
  int lanes;  // 0: this instruction set has none for the type
  // Turns `columns` columns (a multiple of the lanes) of four rows into planes.
  void (*turn)(const T* const rows[kLines], int64_t columns, T* planes, int64_t plane);
  void (*run[kLinesSteps])(const LinesArgs<T>&);
};

template <class T>
struct ColumnsRun {
  const T* weights;
  int64_t line, taps;  // its first entry in the table of lines
};

template <class T>
struct ColumnsArgs {
  const T* const* lines;
  const ColumnsRun<T>* runs;
  int64_t run_count;
  int64_t x;      // first column, in elements
  int64_t tiles;  // side by side
  T* c;           // the first output of the first tile
  int64_t ldc;    // elements between output rows
  bool add;       // to what stands there
  bool stream;    // past the caches: c and ldc are aligned to a vector
  // Lines that somebody reads next, one for each row, or null: every tile asks the cache for `ahead_step` bytes more of each.
  const char* const* ahead;
  int64_t ahead_step;
};

// A tile: every run has at least rows - 1 taps.
template <class T>
struct ColumnsKernel {
  const char* name;
  int rows, vectors, lanes;
  void (*run)(const ColumnsArgs<T>&);
};

// By rows, from the tallest to the lowest, one row at last; for the same rows the widest first, one vector at last.
template <class T>
struct ColumnsTable {
  const ColumnsKernel<T>* kernels;
  int count;
};

}  // namespace faltung

#define FALTUNG_DECLARE_SEPARABLE(isa)                                             \
  extern "C" const faltung::LinesTable<float> faltung_lines_f32_##isa##_table;     \
  extern "C" const faltung::LinesTable<double> faltung_lines_f64_##isa##_table;    \
  extern "C" const faltung::ColumnsTable<float> faltung_columns_f32_##isa##_table; \
  extern "C" const faltung::ColumnsTable<double> faltung_columns_f64_##isa##_table;
FALTUNG_DECLARE_SEPARABLE(baseline)
FALTUNG_DECLARE_SEPARABLE(avx2)
FALTUNG_DECLARE_SEPARABLE(avx512)
