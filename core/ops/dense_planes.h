// The dense method of 1x1 layers whose channels come first: a product of matrices that lie ready.
//
//   channels x positions   rows of a tile are output channels, vectors positions:  y[o][pos] = sum over c of w[o][c] *
//   x[c][pos]
//
// Nothing is turned. Sums have the order and the chunks of positions x channels, hence the same bits. What is left of
// a plane behind the last whole tile is computed by a tile that ends with the plane, over outputs that stand already.
#pragma once
#include "core/kernels/select.h"
#include "core/ops/dense_plan.h"
#include "core/ops/dense_tile.h"

namespace faltung {

template <class T>
class DensePlanes final : public Layer {
 public:
  // Whether the planes of a schedule may be read and written where they are, and are wide enough.
  static bool takes(const DensePlan& plan);

  DensePlanes(const DensePlan& plan, Isa isa);
  int64_t packed_bytes() const override;
  void pack(const void* weights, void* packed, int threads) const override;
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  struct Unit {
    const T *in, *weights, *bias, *residual;
    T *out, *sums, *gathered;
    int64_t first_tile, last_tile;  // of channels
  };
  struct Step {  // from one unit to the next
    int64_t tiles, channel_parts, plane_parts, planes;
  };
  Step divide(int threads) const;
  void run_positions(const Unit& u, int64_t position, int vectors, int64_t ahead) const;
  int64_t channel_of(int64_t tile) const;
  int64_t rows_of(int64_t tile) const {
    return tile < cut_.runs[0].tiles ? cut_.runs[0].rows : cut_.runs[1].rows;
  }

  DensePlan plan_;
  const GemmTable<T>& table_;
  const ConvertTable<T>& convert_;
  TileCut cut_;  // of the output channels
  int64_t tiles_;
  int vectors_;
  int64_t positions_, planes_;  // of a plane; planes are items and rows
  int64_t first_kernel_[9];
  LayerSummary summary_;
};

}  // namespace faltung
