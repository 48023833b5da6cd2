#include "core/ops/pair_cut.h"

#include <algorithm>

namespace faltung {

std::vector<PairRange> cut_evenly(int64_t size, int64_t most) {
  if (size == 0) return {};
  const int64_t least = (size + most - 1) / most;
  int64_t pieces = least;
  while (pieces <= 2 * least && size % pieces != 0) ++pieces;
  if (pieces > 2 * least) pieces = least;
  std::vector<PairRange> ranges;
  for (int64_t i = 0, begin = 0; i < pieces; ++i) {
    const int64_t n = size / pieces + (i < size % pieces);
    ranges.push_back({begin, n});
    begin += n;
  }
  return ranges;
}

std::vector<PairStrip> cut_rows(const LayerAxis& a, int64_t most) {
  const std::vector<PairStrip> whole = {{{0, a.out}, {0, a.in}, a.pad}};
  const int64_t reach = (a.taps - 1) * a.dilation;
  const bool outside = a.pad > 0 || (a.out - 1) * a.stride + reach - a.pad >= a.in;
  if (outside && a.boundary != Boundary::constant) return whole;
  std::vector<PairStrip> strips;
  for (const PairRange& rows : cut_evenly(a.out, most)) {
    const int64_t first = rows.begin * a.stride - a.pad, last = first + (rows.size - 1) * a.stride + reach;
    const int64_t begin = std::max<int64_t>(first, 0), end = std::min(last + 1, a.in);
    if (begin >= end) return whole;  // windows that meet nothing
    strips.push_back({rows, {begin, end - begin}, begin - first});
  }
  return strips;
}

}  // namespace faltung
