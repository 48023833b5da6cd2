// One box of a problem's outputs as a problem of its own, over the same arrays: what a method that looked at its results
// computes again in another way.
#pragma once
#include "core/reference/reference.h"

namespace faltung {

struct Subproblem {
  Problem problem;
  int64_t in = 0, kernel = 0, out = 0;  // where its arrays begin: bytes from those of the whole problem
};

// The outputs inside `box` of the batch items inside `items`, which has a range for each batch axis; without it, of all items.
// Boundaries stay those of the whole array: the box only moves `pad`, which becomes negative where it begins behind the
// first sample.
Subproblem subproblem(const Problem& problem, const Box& box);
Subproblem subproblem(const Problem& problem, const Box& box, const Box& items);

}  // namespace faltung
