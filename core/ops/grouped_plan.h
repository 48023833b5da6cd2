// How a layer of small groups is cut: into blocks of groups, strips of outputs and terms of a sum.
//
// A strip of the input is packed as planes, one for each channel and each phase of the stride, with the border around it:
//
//   plane(channel, phase)[q] = x[channel, (begin + q) * stride + phase - pad]      q < outputs of the strip + shifts
//
// so that tap h reads phase (h * dilation) % stride, shifted by (h * dilation) / stride, and a term of the sum is a
// plane at one offset. Positions run on from the end of a row into the border of the next one: results there are
// dropped, which costs less than rows that do not fill their last vector.
#pragma once
#include <vector>

#include "core/reference/layer.h"

namespace faltung {

struct GroupedAxis {
  std::vector<int64_t> phases;  // those that a tap reads, ascending
  int64_t shifts = 0;           // the largest
  int64_t size = 0, step = 0;   // positions of a full strip, and elements from one to the next
};

// What the kernels of an instruction set offer: the most vectors for each number of outs, from 1.
struct GroupedTiles {
  int64_t lanes;
  std::vector<int64_t> most_vectors;
};

struct GroupedSchedule {
  std::vector<GroupedAxis> axes;
  int64_t phases = 1;            // planes of a channel
  int64_t plane = 0;             // elements from one plane to the next
  std::vector<int64_t> offsets;  // of the terms of a group, by channel, then tap
  int64_t chunk = 0;             // terms that are summed from zero
  size_t cut = 0;                // the axis that strips cut
  int64_t strip = 0, strips = 0;
  int64_t block = 0, blocks = 0;                        // groups that are packed together
  std::vector<int64_t> outs;                            // of the tiles of a group
  bool flat = false;                                    // positions run on from row to row
  int64_t row_step = 0, outer_step = 0, sum_plane = 0;  // elements of the sums of one out channel
  int64_t samples = 0, sums = 0;  // elements of a unit, with what vectors read and write beyond
  int64_t units = 0;
};

// At least two axes, so that there always are rows: the first may be trivial.
LayerProblem with_rows(const LayerProblem& problem);

// Positions of a strip whose samples lie inside: those of [0, count) with 0 <= (begin + q) * stride + phase - pad < in.
struct Inside {
  int64_t begin, end;
};
Inside inside(const LayerAxis& axis, int64_t phase, int64_t begin, int64_t count);

// `item`: bytes of a computed number.
GroupedSchedule schedule_grouped(const LayerProblem& problem, const GroupedTiles& tiles, int64_t item);

}  // namespace faltung
