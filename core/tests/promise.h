// What a result is held to: the definition to the bit where no sum is rounded, else the promise on the error.
#pragma once

#include <cstdint>
#include <string>

#include "core/tests/problems.h"

namespace faltung::tests {

/// An array of the same extent, every byte marked as not written.
Array blank(const Array& like);

/// One value of any type.
double real(const std::byte* p, DType type);

/// The results in C order, parts side by side, taken out of `out`, where nothing else may have been written.
Heap<std::byte> take_results(const Problem& problem, Array& out, const std::string& where);

/// The first part that differs by more than the bits of a NaN; -1 for none.
std::int64_t first_difference(const Problem& problem, const Heap<std::byte>& a, const Heap<std::byte>& b);

/// Results in double, in C order: the exact ones and the sums of magnitudes |x| |w|, of each part.
struct Exact {
  Heap<double> values, sums;
};
Exact exact_results(const Case& c);

/// The promise: |error| <= units u S, and half an ulp for a narrower result. Empty, or says what breaks it.
std::string broken_promise(const Case& c, const Exact& exact, double units, const Heap<std::byte>& results);

/// The units of the direct method: 1.1 min(n, 256) + ceil(n / 256) + 20.
double direct_units(const Case& c);

}  // namespace faltung::tests
