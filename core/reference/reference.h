// The definition, slow and obviously right: the oracle of every test, and what runs where nothing faster may.
#pragma once
#include <vector>

#include "core/base/pool.h"
#include "core/reference/problem.h"

namespace faltung {

// A range of outputs along each convolved axis.
struct Box {
  std::vector<int64_t> begin, end;
};

struct Outcome {
  bool finished = true;   // false: the poll stopped it
  bool reported = false;  // a value was out of range of an integer output, or NaN (see Store)
};

// Computes the outputs inside the box, of every batch item. Integers in 192 bits, all else in long double.
Outcome run_reference(const Problem& problem, const Box& box, const void* in, const void* kernel, void* out,
                      int threads, Poll poll);
Box whole(const Problem& problem);

}  // namespace faltung
