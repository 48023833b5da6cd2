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
                      dilation, (taps - 1) * dilation - shift, (first + a.pad) % a.stride,
                      (first + a.pad) / a.stride});
  }
  std::sort(phases.begin(), phases.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return phases;
}

bool TransposedSet::even() const {
  for (const TransposedPhase& p : phases)
    if (p.block != block || p.outs != blocks) return false;
  return true;
}

std::vector<TransposedSet> transposed_sets(const LayerAxis& axis, bool together) {
  std::vector<TransposedSet> sets;
  for (const TransposedPhase& p : transposed_phases(axis)) {
    // A window of a set is named by its block: phases that meet other samples in it do not belong together.
    const auto fits = [&](const TransposedSet& s) {
      return s.taps == p.taps && s.pad + s.block == p.pad + p.block;
    };
    const auto found = together ? std::find_if(sets.begin(), sets.end(), fits) : sets.end();
    if (found == sets.end()) {
      sets.push_back({{p}, axis.stride, p.block, p.outs, p.taps, p.tap_step, p.dilation, p.pad});
      continue;
    }
    TransposedSet& s = *found;
    s.phases.push_back(p);
    const int64_t end = std::max(s.block + s.blocks, p.block + p.outs), begin = std::min(s.block, p.block);
    s.pad += s.block - begin;
    s.block = begin;
    s.blocks = end - begin;
  }
  for (TransposedSet& s : sets)
    std::sort(s.phases.begin(), s.phases.end(),
              [](const auto& a, const auto& b) { return a.residue < b.residue; });
  return sets;
}

PhaseInput set_input(const TransposedSet& s, int64_t samples, int64_t first, int64_t last) {
  const int64_t pad = s.pad - first;  // of a correlation that begins with block `first`
  const int64_t begin = std::max<int64_t>(-pad, 0);
  const int64_t end = std::min(samples, last - first + (s.taps - 1) * s.dilation - pad);
  if (begin >= end) return {0, 0, 0};
  return {begin, end - begin, pad + begin};
}

}  // namespace faltung
