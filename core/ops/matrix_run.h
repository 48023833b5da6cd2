// A matrix schedule carried out on arrays: sheets of outputs, bands of positions, chunks of steps, tiles; threads.
#pragma once
#include "core/kernels/select.h"
#include "core/ops/dense_grid.h"
#include "core/ops/dense_store.h"
#include "core/ops/matrix.h"
#include "core/ops/matrix_strip.h"
#include "core/ops/matrix_weights.h"

namespace faltung {

class MatrixLayer final : public Layer {
 public:
  MatrixLayer(const LayerProblem& problem, const MatrixPlan& plan, Isa isa);
  int64_t packed_bytes() const override;
  void pack(const void* weights, void* packed, int threads) const override;
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  struct Workspace;
  // Positions of a sheet side by side in the buffer, in tiles that begin at `from` of the strip.
  struct Run {
    int64_t from;  // bytes
    int64_t count;
  };
  bool run_unit(const DenseBox& box, const LayerArrays& arrays, const char* weights, Workspace& w) const;
  void run_sheet(const DenseBox& box, int64_t item, const int64_t* at, int64_t line, const char* weights,
                 Workspace& w) const;
  void run_band(int64_t panel, const char* weights, const char* const* taps, const Run* runs, int64_t count,
                Workspace& w) const;

  const MatrixTable& matrix_;
  const ConvertTable<float>& convert_;
  const ConvertTable<double>& wide_;
  const TurnTable<float>& turn_;
  const EpilogueTable<float>& epilogue_;
  MatrixPlan plan_;
  DenseGrid alone_;                    // for one thread
  std::vector<int64_t> offsets_;       // of the steps
  const MatrixKernel* kernels_[2][2];  // by row tiles and column tiles, less one
  std::unique_ptr<Layer> fallback_;    // on weights that stand as [group][channel][term]
  LayerSummary summary_;
};

}  // namespace faltung
