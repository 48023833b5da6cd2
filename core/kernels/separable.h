// The separable family: correlation along lines, four of them at once.
//
// An unaligned load crosses a cache line almost always, and a tap needs another one for every multiply-add. So lines are turned
// first: columns 4 g + b of four rows stand side by side in plane b, group g:
//
//   plane b:  | r0 r1 r2 r3 of column b | of column 4 + b | of column 8 + b | ...
//
// The result of column 4 g + k with tap t reads column 4 g + q, q = k + t * step: plane q % 4, q / 4 groups on. One load
// there serves every k and t with that q, four of them where step is 1; and it moves by whole groups.
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

}  // namespace faltung

#define FALTUNG_DECLARE_LINES(isa)                                                 \
  extern "C" const faltung::LinesTable<float> faltung_separable_f32_##isa##_table; \
  extern "C" const faltung::LinesTable<double> faltung_separable_f64_##isa##_table;
FALTUNG_DECLARE_LINES(baseline)
FALTUNG_DECLARE_LINES(avx2)
FALTUNG_DECLARE_LINES(avx512)
