// How a layer is cut for the matrix kernels: pure data, made from shapes and types alone.
//
// A tile's rows are output positions. The strip holds pixels as the sums of bfloat16 parts, sorted so that a tap is one
// offset for all positions, whatever the stride: [part][sheet][row phase][column phase][row][pixel][channel], where a phase
// is a place modulo the stride. In a sheet positions count on from row to row (a few per row belong to no output and are
// dropped), so small maps fill tiles. Where gaps would cost more than they gain, every output row begins a tile of its own.
//
// The terms of an output stand in the order (tap, channel) in steps of 32. Sums of some steps are added in float32, in
// order. Neither depends on strides, blocks or threads, hence no bit does.
#pragma once
#include <vector>

#include "core/kernels/matrix.h"
#include "core/ops/dense_plan.h"

namespace faltung {

struct MatrixPlan {
  DensePlan d;  // merged problem, panels, boxes and bands as the dense method has them
  int products, parts;
  int64_t pixel;  // elements of a part between pixels of the strip: the channels, maybe more

  // Phases of the last two axes that taps meet, and how many rows and pixels of each the largest box has. Unsorted columns
  // are one phase, read at the stride.
  bool sorted_columns;
  std::vector<int64_t> row_phases, column_phases;
  int64_t phase_rows, phase_pixels;
  bool flows;      // positions count on from row to row
  int64_t sheet;   // elements
  int64_t sheets;  // of the largest box
  int64_t strip;   // elements of a part

  // Steps of the taps of the last two axes: bytes from a sheet to the terms, and the weights' first term and count.
  struct Step {
    int64_t offset, first, terms;
  };
  std::vector<Step> steps;
  int64_t outer_taps;   // of the axes before the last two
  int64_t chunk_steps;  // whose sums stay in the unit

  bool has_rows() const { return d.p.axes.size() > 1; }
  int64_t total_steps() const { return outer_taps * int64_t(steps.size()); }
  int64_t row_step() const;        // bytes between neighbouring positions
  int64_t line_step() const;       // between output rows
  int64_t most_positions() const;  // of a sheet
};

// Throws std::invalid_argument with the reason where the method cannot take the problem.
MatrixPlan schedule_matrix(const LayerProblem& problem, int products);

}  // namespace faltung
