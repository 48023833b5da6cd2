// Sums of the gradient of weights on their way out: transposed or row by row, converted, complex parts joined; and what zeros
// around x spoiled where g is not finite.
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/turn.h"
#include "core/ops/weight_gradient.h"
#include "core/ops/weight_gradient_strip.h"

namespace faltung {

// Where sums stand in a block: [row of an input channel and tap][output channels].
struct GradientRows {
  int64_t channel, tap;  // elements from one to the next
  int64_t width;         // of a row
};

// Rows are in the order in which dw has them where that is channels first; a folded run needs taps first.
GradientRows gradient_rows(const GradientPlan& plan, const GradientBlock& block);

// Writes a block into dw. `line` has room for 2 (in + out channels) taps numbers of the block.
template <class T>
void store_gradient(const GradientPlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                    const GradientBlock& block, const T* sums, T* line, char* dw);

// The same for channels in vectors: sums [tap][channels].
template <class T>
void store_lanes(const GradientPlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                 const GradientBlock& block, const T* sums, char* dw);

// Computes again, term by term, what is NaN in a block and met zeros that stand for absent terms.
template <class T>
void repair_gradient(const GradientPlan& plan, const ConvertTable<T>& convert, const GradientBlock& block,
                     const T* sums, const WeightGradientArrays& arrays);

}  // namespace faltung
