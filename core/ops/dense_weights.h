// Weights in the order in which tiles read them: [group][panel][term][vectors * lanes], zeros where a panel is wider
// than its
// channels. A complex layer is a real one of twice the channels: every weight stands as [[re, -im], [im, re]].
#pragma once
#include "core/kernels/convert.h"
#include "core/kernels/turn.h"
#include "core/ops/dense_plan.h"

namespace faltung {

template <class T>
struct PackedWeights {
  static constexpr int64_t kHeader = 64;  // bytes before the weights: whether all of them are finite

  static int64_t bytes(const DensePlan& plan) {
    return kHeader + plan.p.groups * plan.group_weights * int64_t(sizeof(T));
  }
  explicit PackedWeights(const void* packed)
      : finite(*static_cast<const int64_t*>(packed) != 0),
        values(reinterpret_cast<const T*>(static_cast<const char*>(packed) + kHeader)) {}

  bool finite;
  const T* values;
};

template <class T>
void pack_dense(const DensePlan& plan, const ConvertTable<T>& convert, const TurnTable<T>& turn,
                const void* weights, void* packed, int threads);

}  // namespace faltung
