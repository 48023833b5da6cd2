#include "core/ops/transposed_parts.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace faltung {
namespace {

int64_t number_size(const LayerProblem& p) {
  return kItemSize[int(p.weight)] * p.parts();
}

// A part of the given phases, one an axis; false where no window of it meets a sample.
bool make_part(const LayerProblem& whole, const std::vector<const TransposedPhase*>& phases,
               TransposedPart& part) {
  part = {whole, 0, 0, 0, {0}, 0, false};
  LayerProblem& p = part.problem;
  const size_t rank = whole.axes.size();
  for (size_t a = 0; a < rank; ++a) {
    const LayerAxis& axis = whole.axes[a];
    const TransposedPhase& phase = *phases[a];
    const PhaseInput in =
        set_input({{}, 1, 0, 0, phase.taps, 1, phase.dilation, phase.pad}, axis.in, 0, phase.outs);
    if (in.size == 0) return false;
    p.axes[a] = {in.size,
                 phase.outs,
                 phase.taps,
                 1,
                 phase.dilation,
                 in.pad,
                 Boundary::constant,
                 axis.in_step,
                 -phase.tap_step * axis.weight_step,
                 axis.stride * axis.out_step,
                 axis.stride * axis.residual_step};
    part.in += in.begin * axis.in_step;
    part.out += phase.first * axis.out_step;
    part.residual += phase.first * axis.residual_step;
    part.weights += phase.tap * axis.weight_step;
    std::vector<int64_t> taps;
    for (const int64_t tap : part.taps)
      for (int64_t t = 0; t < phase.taps; ++t)
        taps.push_back(tap + (phase.tap - t * phase.tap_step) * axis.weight_step);
    part.taps = taps;
  }
  // Output channels of all groups lie at one step only where there is one group, or one output channel each.
  part.arranged = whole.groups > 1 && whole.group_out() > 1;
  if (!part.arranged) {
    if (whole.groups > 1) p.weight_out_step = whole.group_in() * whole.weight_in_step;
    return true;
  }
  int64_t step = number_size(whole);
  for (size_t a = rank; a-- > 0;) {
    p.axes[a].weight_step = step;
    step *= p.axes[a].taps;
  }
  p.weight_in_step = step;
  p.weight_out_step = step * whole.group_in();
  return true;
}

}  // namespace

TransposedParts transposed_parts(const LayerProblem& p) {
  TransposedParts all;
  const size_t rank = p.axes.size();
  std::vector<std::vector<TransposedPhase>> phases;
  int64_t residues = 1, covered = 0;
  for (const LayerAxis& a : p.axes) {
    phases.push_back(transposed_phases(a));
    residues *= std::min(a.stride, a.out);
  }
  int64_t count = 1;
  for (const auto& axis : phases) count *= int64_t(axis.size());
  std::set<std::vector<int64_t>> reached;  // first outputs of the parts
  std::vector<const TransposedPhase*> one(rank);
  for (int64_t n = 0; n < count; ++n) {
    int64_t rest = n;
    std::vector<int64_t> first(rank);
    for (size_t a = rank; a-- > 0;) {
      one[a] = &phases[a][size_t(rest % int64_t(phases[a].size()))];
      rest /= int64_t(phases[a].size());
      first[a] = one[a]->first;
    }
    TransposedPart part;
    if (!make_part(p, one, part)) continue;
    all.parts.push_back(std::move(part));
    reached.insert(std::move(first));
    ++covered;
  }
  if (covered == residues) return all;
  if (p.store != Store::check) {
    all.gaps.push_back({p, 0, 0, 0, {}, 0, false});
    return all;
  }
  for (int64_t n = 0; n < residues; ++n) {
    TransposedPart gap{p, 0, 0, 0, {}, 0, false};
    int64_t rest = n;
    std::vector<int64_t> first(rank);
    for (size_t a = rank; a-- > 0;) {
      LayerAxis& axis = gap.problem.axes[a];
      first[a] = rest % std::min(axis.stride, axis.out);
      rest /= std::min(axis.stride, axis.out);
      gap.out += first[a] * axis.out_step;
      gap.residual += first[a] * axis.residual_step;
      axis.out = (axis.out - 1 - first[a]) / axis.stride + 1;
      axis.out_step *= axis.stride;
      axis.residual_step *= axis.stride;
    }
    if (!reached.contains(first)) all.gaps.push_back(std::move(gap));
  }
  return all;
}

void arrange_weights(const LayerProblem& whole, const TransposedPart& part, const char* weights, char* to) {
  const int64_t item = number_size(whole), outs = whole.group_out(), ins = whole.group_in();
  for (int64_t o = 0; o < whole.out_channels; ++o)
    for (int64_t c = 0; c < ins; ++c) {
      const char* from =
          weights + (o / outs * ins + c) * whole.weight_in_step + o % outs * whole.weight_out_step;
      for (const int64_t tap : part.taps) {
        std::memcpy(to, from + tap, size_t(item));
        to += item;
      }
    }
}

}  // namespace faltung
