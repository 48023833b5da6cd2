// How a spectral correlation is cut into blocks: along every axis, for every item of the batch. Integers only, resolved once.
//
// A block of N points starts where the window of its first output starts. It gives the outputs whose windows lie inside it:
// N - reach + 1 of stride 1, of which the strided ones are kept, so that every block begins with an output.
#pragma once
#include <vector>

#include "core/ops/subproblem.h"

namespace faltung {

struct BlockAxis {
  ConvAxis axis;
  int64_t points;   // of a block
  int64_t reach;    // of the kernel: dilation * (taps - 1) + 1
  int64_t outputs;  // of a block
  int64_t blocks;
};

// One block along one axis. Positions count from the block's first point.
struct BlockSpan {
  int64_t first, outputs;  // which outputs of the array
  int64_t window;          // the sample at position 0; may lie outside the array
  int64_t needed;          // positions that outputs read; zeros stand behind them
  int64_t results;         // positions up to the last output
};

// One block of one item of the batch. Offsets are bytes from the arrays' first elements.
struct BlockItem {
  int64_t in = 0, kernel = 0, out = 0;
  std::vector<BlockSpan> spans;  // an axis each
};

struct BlockGrid {
  // Axes of one tap that never leave the array become batch; batch axes that are one walk are fused.
  // Throws std::invalid_argument where the blocks do not fit the problem.
  BlockGrid(const Problem& problem, const std::vector<int64_t>& block);

  // Takes out the batch axes that are finest in the result, if their items are at least `least`. The result's order decides,
  // never strides: which items are transformed together is part of every bit.
  void split_channels(int64_t least);

  // Block `item` of those that share a kernel; blocks of one array side by side. Channels are not looked at.
  void locate(int64_t kernel, int64_t item, BlockItem& found) const;
  // Moves an item to one of the channels.
  void move_to_channel(int64_t channel, BlockItem& item) const;

  // The outputs of one block as a problem of their own.
  Subproblem box(const BlockItem& item) const;

  int64_t items() const { return lines * blocks; }  // that share a kernel, per channel
  int64_t points() const;                           // of a block

  Problem problem;              // as given
  std::vector<BlockAxis> axes;  // the finest of the result last; at least one
  std::vector<BatchAxis> kernel_axes, line_axes;
  std::vector<BatchAxis> channel_axes;
  int64_t channels = 1;
  bool channels_touch = false;  // they lie side by side in both arrays
  int64_t kernels = 1, lines = 1, blocks = 1;
  int64_t in_offset = 0;
};

}  // namespace faltung
