// What a planned layer is held to.
#pragma once

#include "core/ops/layer.h"
#include "core/tests/layer_problems.h"

namespace faltung::tests {

/// Packs the weights and runs the plan with one thread and with `threads`. Required: equal bits, nothing written beside
/// the results and the prepared weights, nothing changed in the inputs; integers equal the definition, all else keeps
///
///   |error| <= L (units u S + tau) + 4 ulp,  units = 1.1 min(n, 256) + ceil(n / 256) + 20,
///
/// L the activation's Lipschitz constant, S the sum of magnitudes, n the terms with bias and residual, complex ones twice;
/// tau = 2^-123 sum (|x| + 1) (|w| + 1) where float32 computes; half an ulp more of a half type.
void check_layer(const LayerCase& c, const Layer& layer, int threads = 3);

/// The numbers of a layer's results in C order (item, channel, position, part): exact ones and their bounds.
struct LayerBounds {
  Heap<double> values, errors;
};
LayerBounds layer_bounds(const LayerCase& c);

/// Offsets in bytes of all outputs, in that order.
std::vector<std::int64_t> output_offsets(const LayerProblem& problem);

}  // namespace faltung::tests
