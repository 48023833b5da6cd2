// The schedule of a separable correlation: in which order the axes pass, and what a unit of work keeps in the cache. All from
// shapes; nothing depends on the data or on the number of threads.
//
//   lines of the input -> [line pass] -> ring of lines -> [stage 1] -> ring of slabs -> [stage 0] -> result
//
// The line passes first, from lines packed with their boundaries. Every other convolved axis is a stage, the finest first; a
// stage sums slots of its ring with the taps of one factor. A slot holds what one sample of the stage's axis stands for: the
// inner axes' outputs of that sample, of every term. Rings hold only what the next few outputs need, so no intermediate is
// ever a whole array; stage 0 sums over the terms and writes the result.
#pragma once
#include <cstdint>
#include <vector>

#include "core/ops/separable_columns.h"
#include "core/ops/separable_factors.h"
#include "core/ops/stencil_plan.h"

namespace faltung {

struct Stage {
  ConvAxis axis;
  size_t factor;  // the axis of the problem whose factors it takes

  // As in stencil_plan.h: with stride S, dilation D and g = gcd(S, D), output rows fall into D/g classes and taps into S/g, in
  // which neighbours meet neighbours. Position o S + t D (sample o S + t D - pad) is a multiple of g.
  int64_t gcd, row_classes, kernel_classes, most_taps;
  std::vector<int64_t> class_taps;

  int64_t block;         // outputs of a unit, whole rounds of the classes
  int64_t chunk;         // rows of each class that are made at a time
  int64_t slots;         // of the ring
  bool by_source;        // a slot stands for a sample, not for a position
  int64_t panel_stride;  // entries of the row table for a term and a class of taps
  int64_t panels;        // of the table: every term's at stage 0, else one term's

  std::vector<ColumnsCall> calls;
  std::vector<int64_t> weights;  // the tap behind each packed weight: term * taps + tap
  int64_t least_taps;            // of a part of a call
  int64_t blocks() const { return (axis.out + block - 1) / block; }
};

struct SeparableSchedule {
  // The problem is no sum of products of two axes or more: the direct method runs it.
  bool direct = false;

  int64_t terms;
  Roles roles;
  std::vector<Stage> stages;   // the coarsest axis first
  std::vector<size_t> single;  // axes of one tap that became batch axes: their factors scale the line's
  bool line_convolved;         // else the line is a batch axis, and only packed
  size_t line_factor;

  Problem line_problem;   // one line, into the computing type
  StencilSchedule line;   // its calls
  int64_t rounding;       // lines in a ring are whole multiples
  int64_t block_columns;  // of a unit
  bool in_place;          // the last stage reads the input's own lines
  bool turned;            // the line pass takes four lines at once
  bool line_in_place;     // and reads them where they are
  bool out_in_place;
  bool stream;  // the result is so large that no cache keeps it

  int64_t column_blocks, items, units;
  int64_t line_elements(int64_t columns) const {
    return (columns * roles.group + rounding - 1) / rounding * rounding;
  }
  // Lines of a slot of stage `l`, of full blocks.
  int64_t lines(size_t l) const;
  // The product of the factors of one tap that no axis is left for.
  double scale(const Factors& factors, int64_t term) const;
};

// What the schedule must know of the instruction set's kernels for the computing type.
struct SeparableLimits {
  TileLimits stencil;
  int rows;     // of the tallest tile across lines
  bool turned;  // there are kernels of turned lines
};

SeparableSchedule schedule_separable(const Problem& problem, int terms, const SeparableLimits& limits,
                                     int64_t compute_size);

}  // namespace faltung
