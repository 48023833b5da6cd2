// The dense method of layers whose channels come first, on planes as they lie: no tile is transposed.
//
//   channels x positions   rows of a tile are output channels, vectors positions:
//                          y[o][pos] = sum over t of w[o][t] * x[t][pos]
//
// x[t] is the plane of an input channel; where a kernel has several taps, of a channel and a tap. The positions of some
// tiles are brought together line by line, [tile][term][position], with the boundary, and all channels meet them there. Sums
// have the order and the chunks of positions x channels, hence the same bits. What is left of a row behind the last whole
// tile is computed by a tile that ends with the row, over outputs that stand already.
#pragma once
#include "core/kernels/select.h"
#include "core/ops/dense_box.h"
#include "core/ops/dense_tile.h"

namespace faltung {

template <class T>
class DensePlanes final : public Layer {
 public:
  // Whether the planes of a schedule may be read and written where they are, and are wide enough.
  static bool takes(const DensePlan& plan);

  DensePlanes(const LayerProblem& problem, const DensePlan& plan, Isa isa);
  int64_t packed_bytes() const override;
  void pack(const void* weights, void* packed, int threads) const override;
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  struct Unit {
    const char* in;  // channel 0 of the group
    const T *weights, *bias, *residual;
    T *out, *sums, *gathered;
    int64_t row[DenseBox::kMostAxes];  // of the output: every axis but the columns
    int64_t first_tile, last_tile;     // of channels
  };
  struct Block {  // tiles of positions side by side
    int64_t position, tiles;
    int vectors;
    int64_t ahead;  // positions from here to the next block, or 0
  };
  struct Step {  // from one unit to the next
    int64_t channel_parts, plane_parts;
  };
  Step divide(int threads) const;
  Unit unit_at(int64_t unit, const Step& step, const LayerArrays& arrays) const;
  void run_block(const Unit& u, const Block& block) const;
  void run_chunk(const Unit& u, const Block& block, size_t chunk, int64_t first_tile,
                 int64_t last_tile) const;
  void gather(const Unit& u, const Block& block, const DenseChunk& chunk) const;
  void gather_lines(const T* from, int64_t lines, int64_t first, const Block& block, int64_t terms,
                    T* to) const;
  int64_t channel_of(int64_t tile) const;
  int64_t rows_of(int64_t tile) const {
    return tile < cut_.runs[0].tiles ? cut_.runs[0].rows : cut_.runs[1].rows;
  }

  LayerProblem given_;
  DensePlan plan_;  // its panels are the tiles of channels
  const GemmTable<T>& table_;
  const ConvertTable<T>& convert_;
  TileCut cut_;                  // of the output channels
  int64_t tiles_, group_tiles_;  // group: whose sums are under way at once
  int vectors_;
  int64_t block_tiles_;
  int64_t positions_, planes_;  // of a row; planes are items and rows
  bool gathers_, far_weights_;
  int64_t first_kernel_[9];
  LayerSummary summary_;
};

}  // namespace faltung
