// Outputs that no term reaches: bias, residual and activation alone.
#pragma once
#include "core/base/cpu.h"
#include "core/base/pool.h"
#include "core/reference/layer.h"

namespace faltung {

// Writes every output of a problem as if its sum had no terms.
Outcome fill_layer(const LayerProblem& problem, const LayerArrays& arrays, Isa isa, int threads, Poll poll);

}  // namespace faltung
