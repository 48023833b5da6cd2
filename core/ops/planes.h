// Depthwise layers plane by plane, by the methods of arrays.
#pragma once
#include <memory>

#include "core/base/cpu.h"
#include "core/ops/correlate.h"
#include "core/ops/layer.h"

namespace faltung {

// Every channel is an array with a kernel of its own: the stencil, or with options the spectral method, whose lanes may be
// channels. Bias, residual and activation go over results that are still in the cache. Throws std::invalid_argument, with
// the reason, for what it cannot take.
std::unique_ptr<Layer> plan_planes(const LayerProblem& problem, Isa isa, const SpectralOptions* spectral);

}  // namespace faltung
