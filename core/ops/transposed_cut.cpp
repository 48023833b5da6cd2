#include "core/ops/transposed_cut.h"

#include <algorithm>

namespace faltung {
namespace {

constexpr int64_t kNearBytes = 512 << 10;   // of results that wait to be woven
constexpr int64_t kFarWeights = 768 << 10;  // weights that had better be read once
constexpr int64_t kMostAxes = 6;            // for which ways to compute residues together are tried

int64_t up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

bool channels_innermost(const LayerProblem& p) {
  return p.out_channel_step == kItemSize[int(p.out)] * p.parts() && p.out_channels > 1;
}

void combine(const LayerProblem& p, TransposedCut& cut) {
  int64_t count = 1;
  for (const auto& axis : cut.sets) count *= int64_t(axis.size());
  cut.combos.clear();
  for (int64_t n = 0; n < count; ++n) {
    TransposedCombo c{std::vector<const TransposedSet*>(p.axes.size()), 1, false};
    int64_t rest = n, taps = 1;
    for (size_t a = p.axes.size(); a-- > 0;) {
      c.sets[a] = &cut.sets[a][size_t(rest % int64_t(cut.sets[a].size()))];
      rest /= int64_t(cut.sets[a].size());
      c.residues *= int64_t(c.sets[a]->phases.size());
      taps *= c.sets[a]->taps;
    }
    // Runs of residues lie together where channels do; but planes that are only multiplied by weights stay planes.
    const bool planes = taps == 1 && p.axes.back().in_step == kItemSize[int(p.in)];
    c.channels_together = channels_innermost(p) || (c.sets.back()->phases.size() > 1 && !planes);
    cut.combos.push_back(c);
  }
}

// Cycles, roughly: multiply-adds of full vectors, samples that are packed for each layer, outputs that are woven.
double cycles(const LayerProblem& p, const TransposedCut& cut, int64_t lanes) {
  double all = 0;
  for (const TransposedCombo& c : cut.combos) {
    double positions = double(p.batch), samples = double(p.batch * p.in_channels),
           terms = double(p.group_in() * p.parts());
    for (size_t a = 0; a < p.axes.size(); ++a) {
      positions *= double(c.sets[a]->blocks);
      samples *= double(p.axes[a].in);
      terms *= double(c.sets[a]->taps);
    }
    const int64_t vectors = up(p.group_out() * p.parts() * c.residues, lanes);
    all += double(p.groups) * positions * terms * double(vectors) / 2 + 0.35 * samples + 4000;
  }
  const bool runs = cut.sets.back().size() == 1 && cut.sets.back()[0].full();
  return all + double(p.outputs()) * (runs ? 0.6 : 0.9);
}

}  // namespace

bool needs_weaving(const LayerProblem& p, const TransposedCut& cut) {
  for (const TransposedCombo& c : cut.combos)
    if (c.residues > 1) return true;
  return p.axes.back().stride > 1 && !channels_innermost(p);
}

TransposedCut cut_transposed(const LayerProblem& p, bool together, int64_t lanes) {
  const size_t rank = p.axes.size();
  TransposedCut best, cut;
  double least = 0;
  for (int64_t mask = 0; mask < (together && rank <= kMostAxes ? int64_t(1) << rank : 1); ++mask) {
    cut.sets.clear();
    for (size_t a = 0; a < rank; ++a) cut.sets.push_back(transposed_sets(p.axes[a], mask >> a & 1));
    combine(p, cut);
    const double c = cycles(p, cut, lanes);
    if (mask == 0 || c < 0.97 * least) least = c, best.sets = cut.sets;
  }
  combine(p, best);  // which points into its own sets
  best.residues_first = channels_innermost(p) && p.groups == 1;
  best.gaps = false;
  int64_t begin = p.axes[0].out, end = 0;
  for (size_t a = 0; a < rank; ++a) {
    int64_t outs = 0;
    for (const TransposedSet& s : best.sets[a]) {
      for (const TransposedPhase& phase : s.phases) outs += phase.outs;
      if (a == 0) begin = std::min(begin, s.block), end = std::max(end, s.block + s.blocks);
    }
    best.gaps = best.gaps || outs < p.axes[a].out;
  }
  if (best.combos.empty()) return best;

  const int64_t item = kItemSize[int(p.out)] * p.parts();
  const int64_t bytes = p.out_channels * p.positions() * item, blocks = end - begin;
  const int64_t weights = p.out_channels * p.terms() * (p.compute == Compute::f64 ? 8 : 4);
  const int64_t pieces = std::max<int64_t>(1, up(bytes, kNearBytes));
  best.items = cut_evenly(p.batch, std::max<int64_t>(1, kNearBytes / std::max<int64_t>(1, bytes)));
  // Pieces of channels read the input again, strips the weights.
  const int64_t unit = p.groups > 1 ? p.group_out() : std::min(p.out_channels, 4 * lanes);
  const int64_t most = up(p.out_channels, unit);
  const int64_t parts = p.groups > 1 || weights > kFarWeights ? std::min(pieces, most) : 1;
  best.channels = cut_evenly(most, up(most, parts));
  for (PairRange& r : best.channels) {
    r.begin *= unit;
    r.size = std::min(r.size * unit, p.out_channels - r.begin);
  }
  const int64_t strips = up(pieces, int64_t(best.channels.size()));
  best.strips = cut_evenly(blocks, std::max<int64_t>(1, up(blocks, strips)));
  for (PairRange& r : best.strips) r.begin += begin;
  return best;
}

}  // namespace faltung
