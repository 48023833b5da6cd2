// The method of transposed layers: a correlation of stride 1 for every residue of the output positions modulo the stride,
// by any method of layers.
//
// The problem of a transposed layer reads
//
//   y[n, o, i stride + h dilation - pad] = act(sum over channels c of o's group, samples i and taps h of x[n, c, i] * w[c, o, h]
//                                              + b[o] + r[n, o, ...])
//
// with `weight_in_step` from one input channel to the next, of all groups, and `weight_out_step` from one output channel
// of a group to the next.
#pragma once
#include <functional>
#include <memory>

#include "core/ops/layer.h"

namespace faltung {

// Plans a layer that is not transposed; throws std::invalid_argument with the reason where it cannot.
using PlanLayer = std::function<std::unique_ptr<Layer>(const LayerProblem&)>;

enum class TransposedWay {
  apart,     // residues write to their outputs
  woven,     // lines are woven from them where they would interleave
  together,  // and several are computed by one layer where that is cheaper
};

std::unique_ptr<Layer> plan_transposed(const LayerProblem& problem, const PlanLayer& plan, TransposedWay way,
                                       Isa isa);

}  // namespace faltung
