// A depthwise layer as correlations of arrays: which items, channels and rows of the result one of them computes.
#pragma once
#include <memory>
#include <vector>

#include "core/ops/planes.h"

namespace faltung {

// A strip of rows of a plane, or all of it.
struct PlanesPiece {
  std::unique_ptr<Correlation> plan;
  int64_t in, out;     // bytes from the unit's first sample and result to the piece's
  int64_t begin, end;  // outputs along the first axis
};

// Units of equal shape: `items` of the batch, `channels` of the output.
struct PlanesPlan {
  PlanesPlan(const LayerProblem& problem, Isa isa, const SpectralOptions* spectral);

  int64_t items, channels, last_channels;  // of a unit; of the last unit
  int64_t channel_units;
  std::vector<PlanesPiece> pieces, last_pieces;  // of units with `channels` and with `last_channels`
  // Where results of the computing type go first, because more is added before they are rounded; steps in elements.
  bool aside = false;
  int64_t aside_elements = 0;  // of a unit
  LayerProblem target;         // where the correlations write: the problem's steps, or those aside
};

}  // namespace faltung
