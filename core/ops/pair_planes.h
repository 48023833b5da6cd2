// The first layer of a pair whose samples are planes: blocks of channels are turned into the near cache, with zeros around
// them, and from there computed without borders, to results that have their channels side by side.
#pragma once
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

// Null where plan_depthwise has to do it: other boundaries, converted types, few channels, planes that no near cache holds.
std::unique_ptr<Layer> plan_pair_planes(const LayerProblem& problem, Isa isa);

}  // namespace faltung
