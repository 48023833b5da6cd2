// Weights as the matrix kernels read them: [group][panel][step][part][16 channels][pair of terms][channel][2], zeros where a
// step has fewer than 32 terms or a panel is wider than its channels.
//
// Where a weight is too large for its parts to sum to it, or no number, the weights of the fallback stand there instead.
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/turn.h"
#include "core/ops/matrix_plan.h"

namespace faltung {

struct MatrixWeights {
  static constexpr int64_t kHeader = 64;  // bytes before the weights: whether they are tiles

  explicit MatrixWeights(const void* packed)
      : tiles(*static_cast<const int64_t*>(packed) != 0),
        values(static_cast<const char*>(packed) + kHeader) {}

  bool tiles;
  const char* values;

  static int64_t group_bytes(const MatrixPlan& plan);
  static int64_t panel_begin(const MatrixPlan& plan, int64_t panel);  // bytes
  static int64_t step_bytes(const MatrixPlan& plan, int64_t panel);
};

// False where they cannot be split; `packed` (behind the header) then holds nothing of use.
bool pack_matrix(const MatrixPlan& plan, const MatrixTable& matrix, const ConvertTable<float>& convert,
                 const TurnTable<float>& turn, const void* weights, char* packed, int threads);

// Weights of any type and place as [channel][term] in float32.
void order_weights(const LayerProblem& problem, const ConvertTable<float>& convert, const void* weights,
                   float* ordered);

// The weights that tiles stand for, as [group][channel][term].
void unpack_matrix(const MatrixPlan& plan, const char* packed, float* weights);

}  // namespace faltung
