#include "core/ops/transposed.h"

#include <algorithm>

#include "core/base/lease.h"
#include "core/kernels/select.h"
#include "core/ops/transposed_fill.h"
#include "core/ops/transposed_parts.h"
#include "core/ops/transposed_woven.h"

namespace faltung {
namespace {

int64_t whole_lines(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

class TransposedLayer final : public Layer {
 public:
  TransposedLayer(const LayerProblem& problem, const PlanLayer& plan, Isa isa)
      : p_(problem), isa_(isa), cut_(transposed_parts(problem)) {
    for (const TransposedPart& part : cut_.parts) {
      layers_.push_back(plan(part.problem));
      packed_.push_back(packed_bytes_);
      packed_bytes_ += whole_lines(layers_.back()->packed_bytes());
    }
    if (layers_.empty()) return;
    summary_ = layers_[0]->summary();
    summary_.units = 0;
    for (const auto& layer : layers_) {
      summary_.units += layer->summary().units;
      summary_.scratch = std::max(summary_.scratch, layer->summary().scratch);
      summary_.shared = std::max(summary_.shared, layer->summary().shared);
    }
  }

  int64_t packed_bytes() const override { return packed_bytes_; }

  void pack(const void* weights, void* packed, int threads) const override {
    const char* from = static_cast<const char*>(weights);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const TransposedPart& part = cut_.parts[i];
      char* to = static_cast<char*>(packed) + packed_[i];
      if (!part.arranged) {
        layers_[i]->pack(from + part.weights, to, threads);
        continue;
      }
      Scratch arranged(size_t(part.problem.weight_out_step * part.problem.out_channels));
      arrange_weights(p_, part, from, static_cast<char*>(arranged.data()));
      layers_[i]->pack(arranged.data(), to, threads);
    }
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    const auto at = [](const void* array, int64_t offset) {
      return array ? static_cast<const char*>(array) + offset : nullptr;
    };
    const auto part_of = [&](const TransposedPart& part, int64_t packed) {
      return LayerArrays{at(arrays.in, part.in), at(arrays.weight, packed), arrays.bias,
                         at(arrays.residual, part.residual), static_cast<char*>(arrays.out) + part.out};
    };
    Outcome all;
    const auto also = [&](Outcome one) { all = {one.finished, all.reported || one.reported}; };
    for (size_t i = 0; i < cut_.gaps.size() && all.finished; ++i)
      also(fill_layer(cut_.gaps[i].problem, part_of(cut_.gaps[i], 0), isa_, threads, poll));
    for (size_t i = 0; i < layers_.size() && all.finished; ++i)
      also(layers_[i]->run(part_of(cut_.parts[i], packed_[i]), threads, poll));
    return all;
  }

  const LayerSummary& summary() const override { return summary_; }

 private:
  LayerProblem p_;
  Isa isa_;
  TransposedParts cut_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<int64_t> packed_;  // bytes to the weights of each
  int64_t packed_bytes_ = 0;
  LayerSummary summary_;
};

}  // namespace

std::unique_ptr<Layer> plan_transposed(const LayerProblem& p, const PlanLayer& plan, TransposedWay way,
                                       Isa isa) {
  // Woven layers compute numbers that are cropped, which must not be reported.
  if (way != TransposedWay::apart && p.store != Store::check && p.outputs() > 0) {
    const int64_t lanes = p.compute == Compute::f64 ? gemm_table<double>(isa).kernels[0].lanes
                                                    : gemm_table<float>(isa).kernels[0].lanes;
    TransposedCut cut = cut_transposed(p, way == TransposedWay::together, lanes);
    if (!cut.combos.empty() && needs_weaving(p, cut))
      return std::make_unique<WovenLayer>(p, std::move(cut), plan, isa);
  }
  return std::make_unique<TransposedLayer>(p, plan, isa);
}

}  // namespace faltung
