// Layers whose groups have few channels: planes of samples, one tile of out channels of a group at a time.
#pragma once
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

// Throws std::invalid_argument where the method does not take the problem, and says why.
std::unique_ptr<Layer> plan_grouped(const LayerProblem& problem, Isa isa);

}  // namespace faltung
