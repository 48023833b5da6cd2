// Lines of samples anywhere in memory, for the tests of the conversions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include "core/kernels/convert.h"

namespace faltung::tests {

inline constexpr const char* type_names[kDTypes] = {"b8",  "u8",  "i8",  "u16",  "i16", "u32", "i32",
                                                    "u64", "i64", "f16", "bf16", "f32", "f64"};

template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
  else
    return a == b;
}

template <class T>
std::string text(T x) {
  if constexpr (std::is_integral_v<T>) return std::to_string(x);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%a", static_cast<double>(x));
  return buffer;
}

struct Placed {
  StridedLine line;
  std::int64_t bytes, origin;  // of the exact block of memory, and of the first element in it

  std::int64_t at(std::int64_t element) const {
    return origin + element / line.group * line.step + element % line.group * line.inner;
  }
};

inline Placed place(StridedLine line, std::int64_t item) {
  const std::int64_t far = (line.groups - 1) * line.step, wide = (line.group - 1) * line.inner;
  const std::int64_t low = std::min<std::int64_t>(far, 0) + std::min<std::int64_t>(wide, 0);
  const std::int64_t high = std::max<std::int64_t>(far, 0) + std::max<std::int64_t>(wide, 0);
  return {line, high - low + item, -low};
}

// Contiguous, stepped, reversed; groups inside and interleaved ones. Elements never overlap.
inline std::vector<Placed> places(std::int64_t item) {
  std::vector<Placed> found;
  for (const std::int64_t n : {1, 2, 3, 15, 16, 17, 33, 64, 100, 255, 256, 257, 300, 1000})
    for (const std::int64_t step : {1, 2, 3, -1, -2, 7}) found.push_back(place({n, 1, step * item, 0}, item));
  for (const std::int64_t groups : {1, 2, 5, 100, 200})
    for (const std::int64_t group : {2, 3, 4, 16}) {
      found.push_back(place({groups, group, group * item, item}, item));
      found.push_back(place({groups, group, (group + 1) * item, item}, item));
      found.push_back(place({groups, group, -group * item, item}, item));
      found.push_back(place({groups, group, group * item, -item}, item));
      found.push_back(place({groups, group, item, groups * item}, item));
      found.push_back(place({groups, group, -3 * item, -3 * groups * item}, item));
    }
  return found;
}

// Calls f with a value of the type that stands for each DType but the halves.
template <class F>
void with_type(DType type, F f) {
  switch (type) {
    case DType::b8:
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i8:
      return f(std::int8_t{});
    case DType::u16:
      return f(std::uint16_t{});
    case DType::i16:
      return f(std::int16_t{});
    case DType::u32:
      return f(std::uint32_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::u64:
      return f(std::uint64_t{});
    case DType::i64:
      return f(std::int64_t{});
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::f16:
    case DType::bf16:
      return;
  }
}

}  // namespace faltung::tests
