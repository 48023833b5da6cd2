// The taps of one kernel, and where they stand in a block whose transform multiplies.
#pragma once
#include <cstddef>
#include <vector>

#include "core/kernels/convert.h"
#include "core/ops/spectral_grid.h"

namespace faltung {

// Samples and taps keep their size where the largest lies within 2^-kSafe ... 2^kSafe: products of two and sums of very many
// of them stay far from both ends of the range. Others are scaled by a power of two.
template <class T>
constexpr int kSafe = sizeof(T) == 4 ? 40 : 300;

// 0 where `largest` is safe or 0; else the exponent of the power that brings it into [1, 2).
template <class T>
int safe_exponent(T largest);

template <class T>
struct Taps {
  // In C order of the grid's axes; complex ones as (re, im), conjugated where the problem says so.
  Taps(const BlockGrid& grid, const ConvertTable<T>& convert, const char* kernel);

  std::vector<std::byte> raw;  // as they are in the array
  std::vector<T> values;
  bool finite;
  int exponent;  // they are multiplied by 2^exponent in the spectrum
};

// Calls f(tap, position) for every tap in C order: output j of a block reads sample j + t * dilation, so that the circular
// convolution with the tap at -t * dilation gives it. Positions count through the block in C order.
template <class F>
void for_each_tap(const BlockGrid& grid, F f) {
  const std::vector<BlockAxis>& axes = grid.axes;
  const BlockAxis& line = axes.back();
  const int64_t leading = grid.problem.taps() / line.axis.taps;
  for (int64_t outer = 0; outer < leading; ++outer) {
    int64_t rest = outer, row = 0, size = 1;
    for (size_t a = axes.size() - 1; a-- > 0;) {
      const int64_t t = rest % axes[a].axis.taps;
      rest /= axes[a].axis.taps;
      row += (axes[a].points - t * axes[a].axis.dilation) % axes[a].points * size;
      size *= axes[a].points;
    }
    for (int64_t t = 0; t < line.axis.taps; ++t)
      f(outer * line.axis.taps + t, row * line.points + (line.points - t * line.axis.dilation) % line.points);
  }
}

}  // namespace faltung
