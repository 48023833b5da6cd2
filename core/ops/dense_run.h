// A dense schedule carried out on arrays: panels, bands of positions, chunks of terms, tiles; borders; threads.
#pragma once
#include <memory>

#include "core/kernels/select.h"
#include "core/ops/dense.h"
#include "core/ops/dense_grid.h"
#include "core/ops/dense_store.h"
#include "core/ops/dense_strip.h"
#include "core/ops/dense_tile.h"
#include "core/ops/dense_weights.h"

namespace faltung {

template <class T>
class DenseLayer final : public Layer {
 public:
  DenseLayer(const LayerProblem& problem, const DensePlan& plan, Isa isa);
  int64_t packed_bytes() const override { return PackedWeights<T>::bytes(plan_); }
  void pack(const void* weights, void* packed, int threads) const override;
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  const LayerSummary& summary() const override { return summary_; }

 private:
  struct Workspace;
  void make_jobs(const DenseBox& box, Workspace& w) const;
  void add_jobs(const DenseBox& box, int64_t line, int64_t column, int64_t columns, Workspace& w) const;
  void run_unit(const DenseBox& box, const LayerArrays& arrays, const T* weights, Workspace& w) const;
  struct Band {  // jobs
    int64_t begin, end, positions;
  };
  Band next_band(int64_t begin, Workspace& w) const;
  void run_band(const DensePanel& panel, const T* weights, const T* after, const Band& band,
                Workspace& w) const;
  void run_chunk(const DensePanel& panel, size_t chunk, const T* b, const T* ahead, const Band& band,
                 Workspace& w) const;
  const GemmKernel<T>& kernel(int64_t rows, int vectors) const {
    return table_.kernels[first_kernel_[vectors] + rows - 1];
  }

  static constexpr int kMostVectors = 8;
  LayerProblem given_;
  const GemmTable<T>& table_;
  const ConvertTable<T>& convert_;
  const ConvertTable<double>& wide_;
  const TurnTable<T>& turn_;
  const EpilogueTable<T>& epilogue_;
  DensePlan plan_;
  DenseGrid alone_;  // for one thread
  LayerSummary summary_;
  bool far_weights_;
  int64_t most_jobs_;
  int64_t first_kernel_[kMostVectors + 1];
};

// Terms outside a constant boundary are absent; tiles multiplied them by zeros, which a weight that is not finite does not
// forgive. Those outputs follow the definition.
template <class T>
bool repair_dense(const LayerProblem& given, const DensePlan& plan, const LayerArrays& arrays,
                  const T* weights, int threads, Poll poll);

}  // namespace faltung
