// The grouped_lanes family: layers of small groups with channels side by side.
//
// The input lies packed in panels of L channels, the lanes of a vector: boxes of positions with their border,
// panel[position][L], so that a tap is one offset for all positions. Two ways bring outputs and inputs together:
//
//   folded  groups of J channels in and out, J < L a power of two. Lanes are inputs. Sum j of J holds, in lane l, what
//           input l gives to output l ^ j; no lane moves before the end:
//             sums[j][l] += panel[position + tap][l] * w[tap][j][l]          c[l] = sum over j of sums[j][l ^ j]
//   spread  groups of whole vectors of outputs. Lanes are outputs, one input at a time is spread over them:
//             c[l] += panel[position + tap][channel] * w[channel][tap][l]
#pragma once
#include <cstdint>

namespace faltung {

struct GroupedLanesRun {
  int64_t offset;  // elements from a position to the first tap
  int64_t taps;    // spread: neighbouring taps, at most 5, and 1 where `step` is neither L nor 2 L; folded: 1
  int64_t channels;  // spread: of the panel
  bool flush;        // spread: sums are set aside after this run: no register adds up more than 256 terms
};

template <class T>
struct GroupedLanesArgs {
  const T* x;
  int64_t step;      // elements between what neighbouring outputs read: the stride times L
  int64_t row_step;  // between what the rows of a tile read
  int64_t tiles;     // side by side
  const GroupedLanesRun* runs;
  int64_t run_count;
  const T* weights;  // run after run: folded [J][L], spread [channels][taps][L]
  T* c;
  int64_t c_row, c_step;  // elements between rows and between positions
  const T* bias;          // L, or null
  const T* residual;      // what is added to c[0][0], or null
  int64_t residual_row, residual_step;
  bool clip;
  T lo, hi;
};

template <class T>
struct GroupedLanesKernel {
  const char* name;
  int group;  // J; 0: spread
  int rows, columns, lanes;
  void (*run)(const GroupedLanesArgs<T>&);
};

// Folded kernels by ascending group, of each by falling columns; then spread ones, most rows first, of each by falling
// columns. There are ones of one row and one column of each.
template <class T>
struct GroupedLanesTable {
  const GroupedLanesKernel<T>* kernels;
  int count;
  // to[b * panel_step + p * L + l] = from[p * step + b * L + l], b < panels, p < positions.
  void (*collect)(const T* from, int64_t step, T* to, int64_t panel_step, int64_t panels, int64_t positions);
};

}  // namespace faltung

#define FALTUNG_DECLARE_GROUPED_LANES(isa)                                                    \
  extern "C" const faltung::GroupedLanesTable<float> faltung_grouped_lanes_f32_##isa##_table; \
  extern "C" const faltung::GroupedLanesTable<double> faltung_grouped_lanes_f64_##isa##_table;
FALTUNG_DECLARE_GROUPED_LANES(baseline)
FALTUNG_DECLARE_GROUPED_LANES(avx2)
FALTUNG_DECLARE_GROUPED_LANES(avx512)
