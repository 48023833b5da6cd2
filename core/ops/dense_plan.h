// How a layer is cut for the gemm kernels: pure data, made from shapes and types alone.
//
//   positions x channels   rows of a tile are output positions, vectors output channels:
//                          y[pos][o] = sum over t of x[pos][t] * w[t][o]
//
// The terms of an output stand in the order (kernel row, column, channel) and are cut into chunks of at most 256, which a
// register sums from zero; chunks are added in order. Neither depends on strides, blocks or threads, hence no bit does.
#pragma once
#include <vector>

#include "core/kernels/gemm.h"
#include "core/ops/layer.h"

namespace faltung {

struct DenseChunk {
  int64_t entry, segments;  // pointers of a line's table
  int64_t offset, depth;    // elements into every segment, and terms of it
  int64_t first;            // term of the packed weights
  int64_t terms() const { return segments * depth; }
};

// Output channels that one tile holds.
struct DensePanel {
  int64_t channel, channels;
  int vectors;
  int64_t weights;  // elements from the group's first; [term][vectors * lanes]
};

enum class DenseOut : uint8_t {
  direct,     // tiles are stored where they belong
  positions,  // through a buffer, position by position
  planes,     // through a buffer that is transposed
};

struct DensePlan {
  LayerProblem p;  // axes merged where they are one; the last is that of columns
  int64_t item;    // bytes of a number that computes
  int lanes;
  int64_t in_channels, out_channels;  // of a group, real numbers
  int64_t terms;
  int64_t kernel_rows;  // taps of all axes but the columns
  std::vector<DenseChunk> chunks;
  bool tap_entries;  // the table has a pointer for each tap, not for each kernel row
  std::vector<DensePanel> panels;
  int64_t group_weights;  // elements
  int tile_rows, tile_vectors;

  bool packs;            // the input into strips
  bool pads_rows;        // some kernel rows lie outside
  int64_t pixel_step;    // elements between neighbouring pixels that are read
  int64_t pixel_stride;  // of these in the input
  int64_t row_step;      // elements between the rows of a tile
  DenseOut out;
  bool residual_direct;
  bool exact;  // 8-bit integers: chunks are exact in float32 and are added in double

  std::vector<int64_t> box;  // of items and rows (every axis but the columns) that a unit takes at most
  int64_t columns;           // of a unit at most
  double vector_cycles,
      sample_cycles;  // of two vectors' multiply-adds, and of bringing a sample into a strip
  int64_t band;       // positions whose sums are under way at once, at most

  int64_t entries() const { return tap_entries ? kernel_rows * p.axes.back().taps : kernel_rows; }
  int64_t row_pixels(int64_t positions) const;  // that `positions` outputs of a row read
  int64_t strip_rows() const;                   // input rows of the largest box
  int64_t lines() const;                        // output rows of the largest box
  int64_t panel_elements() const { return int64_t(tile_vectors) * lanes; }
};

// The same layer with axes dropped and merged: the 1x1 layer of a batch of images is one of rank 1.
LayerProblem merge_axes(LayerProblem problem);

// Throws std::invalid_argument with the reason where the method cannot take the problem.
template <class T>
DensePlan schedule_dense(const LayerProblem& problem, const GemmTable<T>& table);

}  // namespace faltung
