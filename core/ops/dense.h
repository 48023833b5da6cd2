// The method of dense layers: implicit GEMM.
#pragma once
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

// Takes every problem of float, half, 8-bit and complex types, and integers whose sums a double holds. Throws
// std::invalid_argument with the reason for all else.
std::unique_ptr<Layer> plan_dense(const LayerProblem& problem, Isa isa);

}  // namespace faltung
