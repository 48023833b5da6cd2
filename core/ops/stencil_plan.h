// The schedule of a stencil: tiles, calls and blocks, all from shapes and strides; nothing here depends on the data or on the
// number of threads.
//
// The kernel's taps are cut into calls of at most 256 terms: every call sums from zero in registers and is added to the tile
// once, which is the promise on the error. A dilated or strided stencil is a set of dense ones: with stride S and dilation D
// along the rows axis, g = gcd(S, D), output rows r0 + (D/g) j and kernel rows p + (S/g) q meet at input row
// (r0 + (D/g)(j + q)) S + p D - pad, so each (r0, p) is a dense stencil in j and q. The same along the line gives the phases.
//
// A panel is one combination of outer taps and one kernel-row class p: consecutive entries of the row table.
//
// Along one-dimensional data ("blocked line") the rows of a tile are neighbouring blocks of the line itself, so that every
// load still serves several outputs: tap t = q * block_taps + s reaches output block r from input block r + q.
#pragma once
#include <cstdint>
#include <vector>

#include "core/ops/stencil_roles.h"

namespace faltung {

struct Run {
  int64_t row, phase, tap,
      taps;         // first row-table entry; phase of the line; first tap in the phase; how many
  int64_t weights;  // where its weights stand, in elements of the packed kernel
};

struct Call {
  int group;
  std::vector<Run> runs;
};

// Where the taps of a run stand in a line: element offset of phase p is base[p], neighbouring taps are `step` apart.
struct Layout {
  std::vector<int64_t> base;
  int64_t step = 0;
  int64_t length = 0;    // of a packed line, in elements
  int64_t capacity = 0;  // outputs, in columns
  bool per_tap = false;  // packed tap by tap, for dilations wider than the block
};

struct Interval {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

struct StencilSchedule {
  Roles roles;
  bool complex_weights = false;

  // rows axis
  int64_t row_classes, kernel_classes;  // D/g and S/g
  std::vector<int64_t> class_taps;      // taps of each kernel-row class
  // line axis
  int64_t line_step, line_phases;  // D/g and S/g
  std::vector<int64_t> phase_taps;
  Interval interior;  // columns whose windows lie inside the array

  bool blocked_line = false;
  int64_t block = 0, block_taps = 0, block_rows = 0;  // elements, taps, table entries beyond the tile

  int64_t panels, panel_stride, outer_outputs;
  std::vector<Call> calls;
  std::vector<int64_t> weight_offsets;  // of each packed weight, in bytes from the kernel's start

  bool tall = false;                        // tiles of one vector and many rows
  int64_t tile_rows = 0, tile_vectors = 0;  // of a full tile
  int64_t strip_rows, last_strip_rows, block_columns;
  bool in_place = false, out_in_place = false;
  Layout direct, packed, border;

  int64_t kernel_items, batch_items, row_strips, column_blocks, units;
};

// lanes and groups: of the vector unit; rows: of the tallest tile and of the tall one-vector tile.
struct TileLimits {
  int lanes, group, rows, tall_rows, vectors;
};

// Outputs of an axis whose whole window lies inside the array.
Interval inside(const ConvAxis& axis);

StencilSchedule schedule_stencil(const Problem& problem, const TileLimits& limits, int64_t compute_size);

}  // namespace faltung
