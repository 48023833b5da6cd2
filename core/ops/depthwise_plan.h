// The schedule of a depthwise layer with channels side by side: runs, blocks, all from shapes and types.
//
//   columns  the last axis: positions of a tile run along it.
//   rows     the axis before it: a tile has one or two, which share the samples they load.
//   outer    all other axes: every combination of their taps is a panel of the row table, as is every tap class of the rows.
//
// A unit of work is a strip of rows, a block of columns and a block of channels: what its tiles read lies in L1.
#pragma once
#include <cstdint>
#include <vector>

#include "core/ops/depthwise_dense.h"

namespace faltung {

// What the plan needs to know of the kernels of an instruction set.
struct DepthwiseLimits {
  int lanes;
  int columns;    // of the widest tile
  int tall_taps;  // most taps of a run in tiles of two rows, and of one
  int flat_taps;
};

// Part of the kernel; offsets along columns are in samples.
struct DepthwisePart {
  int64_t row, offset, rows, taps;
  bool flush;
};

struct DepthwiseSchedule {
  DepthwiseSchedule(const LayerProblem& problem, const DepthwiseLimits& limits, int64_t item);

  DenseAxis rows, columns;
  std::vector<LayerAxis> outer;
  int64_t outer_outputs = 1, panels = 1;

  int64_t tile_rows = 1;
  int64_t entries = 0;  // of the row table for each panel
  std::vector<DepthwisePart> parts;
  std::vector<int64_t> taps;  // of each weight of a channel: bytes from the first tap

  int64_t interior_begin, interior_end;  // output columns whose windows lie inside
  int64_t channel_block, channel_blocks, column_block, column_blocks, strip_rows, strips, units;

  int64_t block_begin(int64_t block) const { return block * channel_block; }
  int64_t block_end(int64_t block) const {
    return block + 1 == channel_blocks ? channels : (block + 1) * channel_block;
  }
  int64_t channels;       // of the output
  int64_t most_channels;  // of a block
  int64_t width;          // elements between positions of packed lines: most_channels, at least a vector
};

}  // namespace faltung
