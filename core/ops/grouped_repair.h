// Outputs whose windows reach beyond zeros, by the definition: padded zeros must not meet weights that are not finite.
#pragma once
#include "core/reference/layer.h"

namespace faltung {

// Weights as [group][tile][channel][tap][out of the tile], `outs` of each tile of a group. False where the poll stopped it.
template <class T>
bool repair_borders(const LayerProblem& problem, const std::vector<int64_t>& outs, const T* weights,
                    const LayerArrays& arrays, int threads, Poll poll);

}  // namespace faltung
