// The ways of a depthwise layer, and what they share: prepared weights.
#pragma once
#include <memory>

#include "core/base/lease.h"
#include "core/ops/depthwise_core.h"

namespace faltung {

// Throws std::invalid_argument where the problem is none of depthwise, or of types that T cannot compute.
template <class T>
void require_depthwise(const LayerProblem& problem, Isa isa);

// Prepared weights: a mark whether all are finite, vectors of weights, and those of the definition. Weights that are not finite
// must not meet the zeros that stand for samples outside: such layers follow the definition.
class DepthwiseWeights {
 public:
  DepthwiseWeights(const LayerProblem& problem, int64_t bytes);
  int64_t bytes() const { return definition_at_ + definition_->packed_bytes(); }
  void finish(const void* weights, void* packed, bool finite, int threads) const;
  static void* vectors(void* packed) { return static_cast<char*>(packed) + kMark; }
  static const void* vectors(const void* packed) { return static_cast<const char*>(packed) + kMark; }
  bool fast(const void* packed) const { return !pads_ || *static_cast<const bool*>(packed); }
  Outcome run_definition(const LayerArrays& arrays, int threads, Poll poll) const;

 private:
  static constexpr int64_t kMark = 64;
  std::unique_ptr<Layer> definition_;
  int64_t definition_at_;
  bool pads_;  // zeros stand for samples outside
};

// Channels side by side in the output.
template <class T>
std::unique_ptr<Layer> plan_depthwise_last(const LayerProblem& problem, Isa isa);

// Planes: blocks of channels are turned into the near cache, and back.
template <class T>
std::unique_ptr<Layer> plan_depthwise_first(const LayerProblem& problem, Isa isa);

// Planes as they are, positions of a row side by side: each is copied once into the near cache, with its border.
template <class T>
std::unique_ptr<Layer> plan_depthwise_rows(const LayerProblem& problem, Isa isa);

}  // namespace faltung
