#include "core/ops/transposed_phases.h"

#include <algorithm>
#include <numeric>

namespace faltung {

std::vector<TransposedPhase> transposed_phases(const LayerAxis& a) {
  const int64_t common = std::gcd(a.stride, a.dilation), cycle = a.stride / common;
  std::vector<TransposedPhase> phases;
  // The first taps of a cycle reach one residue each.
  for (int64_t h = 0; h < std::min(a.taps, cycle); ++h) {
    const int64_t taps = (a.taps - 1 - h) / cycle + 1, reached = h * a.dilation - a.pad;
    const int64_t first = ((reached % a.stride) + a.stride) % a.stride;
    if (first >= a.out) continue;
    // Tap h brings sample m to output reached + m S, hence first + n S meets sample n + shift by it.
    const int64_t shift = (first - reached) / a.stride, dilation = a.dilation / common;
    phases.push_back({first, (a.out - 1 - first) / a.stride + 1, taps, h + (taps - 1) * cycle, cycle,
                      dilation, (taps - 1) * dilation - shift});
  }
  std::sort(phases.begin(), phases.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return phases;
}

PhaseInput phase_input(const TransposedPhase& p, int64_t samples) {
  const int64_t begin = std::max<int64_t>(-p.pad, 0);
  const int64_t end = std::min(samples, p.outs - 1 + (p.taps - 1) * p.dilation - p.pad + 1);
  if (begin >= end) return {0, 0, 0};
  return {begin, end - begin, p.pad + begin};
}

}  // namespace faltung
