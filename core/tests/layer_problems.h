// Random layers with their arrays; layer_check.h says what a plan of one is held to.
//
//   for (std::uint64_t seed = 0; seed < repeated(200); ++seed) {
//     const LayerCase c = random_layer({.groups = LayerGroups::one, .types = {DType::f32}}, seed);
//     check_layer(c, *plan_dense(c.problem, isa));
//   }
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/reference/layer.h"
#include "core/tests/problems.h"

namespace faltung::tests {

enum class LayerGroups {
  any,
  one,
  each,     // one input channel a group, several outputs where `most_multiplier` allows
  several,  // at least two groups of at least two input or output channels
};

/// What random_layer() may choose. As it stands: everything that has finite, ordinary samples.
struct LayerOptions {
  int least_rank = 1, most_rank = 4;
  LayerGroups groups = LayerGroups::any;
  std::int64_t most_channels = 80;   // of all groups together, on either side
  std::int64_t most_multiplier = 5;  // output channels a group, where groups are `each`
  bool square_groups = false;        // `several` have as many outputs as inputs, a power of two
  std::int64_t most_size = 300;      // samples along an axis
  std::int64_t most_taps = 9;        // along an axis; kernels may be larger than the input
  std::int64_t most_stride = 4, most_dilation = 5;
  std::int64_t most_products = 200000;  // the definition is slow
  std::vector<DType> types = {};        // of the samples; empty: all
  bool complex_numbers = true;
  bool boundaries = true;   // others than zeros
  bool views = true;        // else arrays are contiguous, channels first or last, and x and y agree
  bool flips = true;        // kernels that run backwards
  bool extras = true;       // bias, residual, activation
  bool not_finite = false;  // some NaN and infinities in samples, weights, bias and residual
  bool subnormal = false;   // float32: samples or weights that are, or have products that are
};

struct LayerCase {
  LayerProblem problem;
  Array in, weight, bias, residual, out;
  std::uint64_t seed = 0;
  double looseness = 0;  // of the sum of magnitudes: what a promise below the highest allows more

  LayerArrays arrays(const void* packed, void* to) const {
    return {in.at(), packed, bias.at(), residual.at(), to};
  }
};

LayerCase random_layer(const LayerOptions& options, std::uint64_t seed);

std::string describe(const LayerProblem& problem);

}  // namespace faltung::tests
