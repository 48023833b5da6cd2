// Shapes for random problems.
#pragma once

#include <cstdint>
#include <vector>

#include "core/reference/problem.h"
#include "core/tests/random.h"

namespace faltung::tests {

/// What kind of shapes: each leads into other parts of the operation.
enum class Family {
  any,        // small, rank 1 to 4, everything mixed
  line,       // one long axis, sizes around those of vectors, tiles and blocks
  image,      // two axes, sizes around those of tiles; few taps and many, crowded rows
  many_taps,  // several partial sums an output
  far_taps,   // dilations wider than tiles
  strips,     // several units of work
};

/// One axis of the result: convolved, or of a batch.
struct Axis {
  bool convolved = true;
  std::int64_t in = 1, taps = 1, stride = 1, dilation = 1, low = 0, high = 0;
  Boundary boundary = Boundary::constant;
  bool own_kernels = false, broadcast = false;  // of a batch

  std::int64_t reach() const { return dilation * (taps - 1) + 1; }
  std::int64_t out() const { return convolved ? (in + low + high - reach()) / stride + 1 : in; }
};

std::vector<Axis> random_axes(Random& random, Family family);

}  // namespace faltung::tests
