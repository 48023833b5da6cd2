// Random problems for the operation, with their arrays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/reference/reference.h"
#include "core/tests/heap.h"
#include "core/tests/random_axes.h"

namespace faltung::tests {

/// An array in memory of exactly its extent. Steps are bytes; `origin` is where index 0 of every axis stands.
struct Array {
  Heap<std::byte> memory;
  std::int64_t origin = 0;

  std::byte* at(std::int64_t offset = 0) { return memory.data() + origin + offset; }
  const std::byte* at(std::int64_t offset = 0) const { return memory.data() + origin + offset; }
};

struct Case {
  Problem problem;
  Array in, kernel, out;
  bool exact = false;  // no sum is rounded in the computing type: the result is known to the bit

  std::int64_t samples_per_output() const { return problem.taps() * (problem.complex_samples ? 2 : 1); }
};

Case random_case(Family family, std::uint64_t seed);

/// The same problem and data with all arrays C-contiguous.
Case in_c_order(const Case& original);

/// Offsets in bytes of all outputs, in C order.
std::vector<std::int64_t> output_offsets(const Problem& problem);

std::string describe(const Problem& problem);

}  // namespace faltung::tests
