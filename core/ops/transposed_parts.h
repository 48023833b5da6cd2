// What a transposed layer consists of: layers of stride 1 that write to every S-th output.
#pragma once
#include <vector>

#include "core/ops/transposed_phases.h"

namespace faltung {

struct TransposedPart {
  LayerProblem problem;       // steps of the weights are those of `arranged` where the part needs that
  int64_t in, out, residual;  // bytes to its arrays from those of the whole
  std::vector<int64_t> taps;  // bytes from tap 0 of the kernel to every tap of the part
  int64_t weights;            // bytes to its first tap, where it reads the weights as they are
  bool arranged;              // its weights are brought into order first: [out][in of a group][tap]
};

struct TransposedParts {
  std::vector<TransposedPart> parts;
  // Outputs that belong to no part, as problems of which only the outputs count. Where no value has to be reported, that is
  // all of them in one piece, to be written before the parts are.
  std::vector<TransposedPart> gaps;
};

TransposedParts transposed_parts(const LayerProblem& problem);

// Weights of a part [out][in of a group][tap], from those of the whole.
void arrange_weights(const LayerProblem& whole, const TransposedPart& part, const char* weights, char* to);

}  // namespace faltung
