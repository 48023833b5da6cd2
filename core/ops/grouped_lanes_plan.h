// How a layer of small groups with channels in lanes is cut: bundles, panels, runs, strips; see kernels/grouped_lanes.h.
//
//   bundle   what shares its input: folded, a vector of channels; spread, a group. Of each, so many panels of inputs and
//            vectors of outputs.
//   unit     some bundles of one item, over a strip of rows and a block of columns. Its panels are packed with their border,
//            so that every term of a sum stands at one offset.
#pragma once
#include <algorithm>
#include <vector>

#include "core/kernels/grouped_lanes.h"
#include "core/ops/layer.h"

namespace faltung {

// A tap of the weights, in the order of the runs: channels of a panel, or outputs ^ j where folded.
struct GroupedLanesTaps {
  int64_t panel, row, column;  // of a run's first tap
};

// Which kernels cover a row of tiles: `tiles` of the main one, and one that may overlap them.
template <class T>
struct GroupedLanesCover {
  const GroupedLanesKernel<T>* kernel = nullptr;
  int64_t tiles = 0, rest = -1;  // where the last tile begins, or -1
};

struct GroupedLanesSchedule {
  int64_t lanes, item;
  int64_t fold;                           // J, or 0: spread
  int64_t bundles, panels, vectors;       // of all; of each
  int64_t channels, outs;                 // of a group, in and out
  int64_t all_channels;                   // of the output
  int64_t unit_bundles, units_wide;       // bundles of a unit, the last may have more; units side by side
  int64_t rows, strips, columns, blocks;  // of a unit, and units along these axes
  int64_t line, panel;                    // elements of a packed row, and of a panel
  std::vector<GroupedLanesRun> runs;      // of every vector
  std::vector<GroupedLanesTaps> taps;     // beside them
  int64_t vector_weights;                 // elements

  int64_t most_bundles() const { return bundles - (units_wide - 1) * unit_bundles; }
  int64_t first_channel(int64_t bundle, int64_t p) const {
    return fold ? std::min(bundle * lanes, all_channels - lanes) : bundle * channels + p * lanes;
  }
  int64_t panel_channels(int64_t p) const { return fold ? lanes : std::min(lanes, channels - p * lanes); }
  int64_t first_out(int64_t bundle, int64_t v) const {
    return fold ? std::min(bundle * lanes, all_channels - lanes) : bundle * outs + v * lanes;
  }
};

// Whether a layer runs this way, from shapes and types alone: one or two axes, samples and results of the type that
// computes, groups that fit.
template <class T>
bool fits_lanes(const LayerProblem& problem, Isa isa);

// `problem` has two axes.
template <class T>
GroupedLanesSchedule schedule_lanes(const LayerProblem& problem, Isa isa);

// The best cover of rows of n positions by tiles of at most `rows` rows, of a group or spread (0).
template <class T>
GroupedLanesCover<T> cover_lanes(const GroupedLanesTable<T>& table, int64_t fold, int64_t rows, int64_t n);

}  // namespace faltung
