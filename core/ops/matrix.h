// The method of dense layers on a matrix unit: float32 as sums of bfloat16 parts.
#pragma once
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

// With `products` 6 (of three parts each), 3 (of two) or 1: the error grows as the products shrink. Takes every problem of
// float32 and half types; numbers that are not finite, or nearly too large, run by plan_dense(). Throws std::invalid_argument
// with the reason for all else.
std::unique_ptr<Layer> plan_matrix(const LayerProblem& problem, int products, Isa isa);

}  // namespace faltung
