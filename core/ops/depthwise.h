// Layers with one input channel a group.
#pragma once
#include <memory>

#include "core/base/cpu.h"
#include "core/ops/layer.h"

namespace faltung {

// Vectors of channels; planes whose blocks outgrow the cache run as plan_planes() would. The way depends on shapes, types and
// the layout alone. Throws std::invalid_argument, with the reason, for what it cannot take.
std::unique_ptr<Layer> plan_depthwise(const LayerProblem& problem, Isa isa);

}  // namespace faltung
