// The schedule of a depthwise layer on planes whose rows are vectors, all from shapes and types.
//
//   columns  the last axis: a stride splits samples into phases, so that each tap reads neighbours; dilation is an offset.
//   rows     the axis before it, as dense stencils: the rows of a tile share the samples they load.
//   outer    all other axes: every combination of their taps is a plane; those that a unit has packed stay for the next.
//
// A unit of work is a strip of rows of some groups of planes, all outer positions or a part of them. A group are as many
// channels as a vector has halves.
#pragma once
#include <cstdint>
#include <vector>

#include "core/kernels/depthwise_rows.h"
#include "core/ops/depthwise_dense.h"

namespace faltung {

struct DepthwiseRowsSchedule {
  struct Chunk {
    int64_t row_class, first, taps;  // kernel rows first, ... of a tap class
  };

  DepthwiseRowsSchedule(const LayerProblem& problem, int lanes, int halves, int most_taps, int64_t item);

  DenseAxis rows;
  LayerAxis columns;
  std::vector<LayerAxis> outer;
  int halves;
  int64_t groups;
  int64_t outer_outputs = 1, outer_units, panels = 1;

  // A packed row: sample c stands at phase (left + c) % phases, position (left + c) / phases.
  int64_t phases, left, reach;
  bool edged;                    // samples outside are not zeros: they are packed as well
  std::vector<int64_t> samples;  // of each position of an edged row
  int64_t pitch, phase_step, half_step, plane_step;
  int64_t slots;  // packed planes: those of one outer position; of two groups where that is one plane
  std::vector<int64_t> column_offsets;
  std::vector<Chunk> chunks;
  std::vector<int64_t> taps;  // bytes from the first tap, in the order of packed weights

  int64_t strip_rows, strips, unit_groups, units;

  // Samples along the rows that outputs [begin, end) read.
  int64_t first_row(int64_t begin) const;
  int64_t last_row(int64_t end) const;
};

}  // namespace faltung
