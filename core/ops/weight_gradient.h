// The gradient of a layer with respect to its weights, planned: decides once, then runs on any arrays of that shape.
//
//   dw[o, c, t] = sum over items n and positions i of conj(x[n, c, i * stride + t * dilation - pad]) * g[n, o, i]
//
// A LayerProblem says the layer: `in` is x, `out` is g, both read, and `weight` is dw, written; types and steps likewise.
// Terms outside a constant boundary are omitted.
#pragma once
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

struct WeightGradientArrays {
  const void* x;
  const void* g;
  void* dw;  // tap 0 of channel 0
};

class WeightGradient {
 public:
  virtual ~WeightGradient() = default;
  // Immutable: may run in many threads at once. The bits do not depend on `threads`. False where the poll stopped it.
  virtual bool run(const WeightGradientArrays& arrays, int threads, Poll poll) const = 0;
  virtual const LayerSummary& summary() const = 0;
};

// A product of matrices over pixels, for float, half and complex types. Throws std::invalid_argument with the reason for
// what it cannot take.
std::unique_ptr<WeightGradient> plan_weight_gradient_gemm(const LayerProblem& problem, Isa isa);
// Depthwise layers, channels in vectors, for float and half types. Throws as above.
std::unique_ptr<WeightGradient> plan_weight_gradient_depthwise(const LayerProblem& problem, Isa isa);

}  // namespace faltung
