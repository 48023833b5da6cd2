// A depthwise layer and the 1x1 layer over its results, in one pass: strips of the depthwise result stay in the near cache,
// from which the 1x1 layer reads them.
#pragma once
#include <memory>
#include <vector>

#include "core/ops/layer.h"
#include "core/ops/pair_cut.h"

namespace faltung {

// What LayerPair::pack prepares.
struct PairWeights {
  const void *depthwise, *pointwise;  // tap 0 of channel 0
  const void* middle_bias;            // or null
};

class LayerPair final : public Layer {
 public:
  // Where the result of one layer lies and the other expects it, the steps of the problems mean nothing. Throws
  // std::invalid_argument, with the reason, for what does not fit together or is none of a pair's.
  LayerPair(const LayerProblem& depthwise, const LayerProblem& pointwise, Isa isa,
            int64_t middle_bytes = kMiddleBytes);

  int64_t packed_bytes() const override { return packed_bytes_; }
  // `weights` is a PairWeights.
  void pack(const void* weights, void* packed, int threads) const override;
  // The bias is that of the 1x1 layer.
  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override;
  // Tiles are those of the 1x1 layer; a strip is of the pair.
  const LayerSummary& summary() const override { return summary_; }

 private:
  // A layer over strips of one shape, and where its weights stand.
  struct Part {
    PairShape shape;
    std::unique_ptr<Layer> layer;
    int64_t packed;
  };
  template <class Plan>
  size_t part(std::vector<Part>& parts, const PairShape& shape, Plan plan);
  Outcome run_unit(int64_t unit, const LayerArrays& arrays, char* middle, int threads, Poll poll) const;

  struct Strip {
    PairStrip cut;
    size_t first, second;  // parts
  };
  LayerProblem depthwise_, pointwise_;
  bool empty_;
  std::vector<PairRange> items_;
  std::vector<Strip> strips_;  // of every range of items
  std::vector<Part> first_, second_;
  int64_t packed_bytes_ = 0, middle_bytes_ = 0;
  LayerSummary summary_;
};

}  // namespace faltung
