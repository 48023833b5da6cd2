// How the gradient of weights is cut for the gemm kernels: pure data, made from shapes and types alone.
//
//   channels x tap   rows of a tile are input channels under one tap, vectors output channels; terms are positions:
//                    dw[c, tap][o] += x[pixel + tap][c] * g[pixel][o]
//
// The rows of a tile stand side by side in a pixel of x, a tap is an offset, and the stride is the step between terms: no
// column matrix exists. Positions are cut into chunks of at most 256, which a register sums from zero; 64 chunks are added
// in order, then these sums; parts of the chunks that threads share are added last. Neither depends on strides or threads.
#pragma once
#include <vector>

#include "core/kernels/gemm.h"
#include "core/ops/layer.h"

namespace faltung {

struct GradientPlan {
  LayerProblem p;  // the last axis is that of columns
  int64_t item;    // bytes of a number that computes
  int lanes;
  int64_t in_channels, out_channels;  // of a group, real numbers
  int64_t outer_taps, taps;           // of all axes but the columns, and of these
  int64_t lines, columns;             // output rows of the batch, and their positions
  // A chunk is `chunk_lines` lines, or one of `pieces` of a line.
  int64_t pieces, piece, chunk_lines, chunks;
  int64_t parts;         // of the chunks, that are summed apart
  int64_t pixel_stride;  // input samples between neighbouring pixels of a packed row
  bool whole_vectors;    // pixels are padded to vectors of channels
  bool folded;           // taps of a kernel row and their channels stand side by side: one run of rows
  int tile_rows, tile_vectors;
  int64_t block_in, block_out;  // real channels of a block, at most
  int64_t in_blocks, out_blocks;

  int64_t blocks() const { return p.groups * in_blocks * out_blocks; }
  int64_t width(int64_t channels) const { return (channels + lanes - 1) / lanes * lanes; }
  int64_t chunk_terms() const { return pieces > 1 ? piece : chunk_lines * columns; }
  int64_t chunk_segments() const { return pieces > 1 ? 1 : chunk_lines; }
  int64_t row_pixels(int64_t positions) const;  // that so many outputs of a line read
};

constexpr int64_t kGradientRun = 64;  // chunks that are added one by one

// Throws std::invalid_argument with the reason where the method cannot take the problem.
template <class T>
GradientPlan schedule_gradient(const LayerProblem& problem, const GemmTable<T>& table);

// Depthwise layers, channels in vectors: the plan of one of the output channels that see an input channel, as a layer whose
// every channel has one of its own.
template <class T>
GradientPlan schedule_lanes(const LayerProblem& problem, int lanes);

}  // namespace faltung
