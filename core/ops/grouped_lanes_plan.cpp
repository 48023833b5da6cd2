#include "core/ops/grouped_lanes_plan.h"

#include <algorithm>
#include <cstdlib>

#include "core/kernels/select.h"

namespace faltung {
namespace {

constexpr int64_t kStripBytes = 256 << 10;  // packed panels of a unit: a part of the second cache
constexpr int64_t kNearBytes = 256;         // of channels that are read together
constexpr int64_t kColumns = 1024;          // of a unit at most, about
constexpr int64_t kMostTaps = 5;            // of a run
constexpr int64_t kChain = 256;             // terms a register sums from zero
constexpr int64_t kBusy = 8;                // sums that keep two multipliers of four cycles busy
constexpr int64_t kTileCost = 2;            // multiply-adds a tap, that a tile costs beside its own

int64_t up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t reach(const LayerAxis& a, int64_t outs) {
  return (outs - 1) * a.stride + (a.taps - 1) * a.dilation + 1;
}

// J where the kernels fold groups, 0 where they spread, -1 where they do neither.
template <class T>
int64_t fold_of(const LayerProblem& p, Isa isa) {
  const GroupedLanesTable<T>& table = grouped_lanes_table<T>(isa);
  const int64_t lanes = table.kernels[0].lanes;
  if (p.group_out() % lanes == 0) return 0;
  if (p.group_in() != p.group_out() || p.out_channels < lanes || p.taps() > kChain) return -1;
  for (int i = 0; i < table.count; ++i)
    if (table.kernels[i].group == p.group_in()) return p.group_in();
  return -1;
}

class Scheduler {
 public:
  Scheduler(const LayerProblem& problem, int64_t lanes, int64_t item, int64_t fold) : p_(problem) {
    s_.lanes = lanes;
    s_.item = item;
    s_.fold = fold;
    s_.channels = p_.group_in();
    s_.outs = p_.group_out();
    s_.all_channels = p_.out_channels;
    s_.bundles = fold ? up(p_.out_channels, lanes) : p_.groups;
    s_.panels = fold ? 1 : up(s_.channels, lanes);
    s_.vectors = fold ? 1 : s_.outs / lanes;
    s_.vector_weights = p_.terms() * lanes;
  }

  GroupedLanesSchedule run() {
    const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
    s_.blocks = up(column.out, kColumns);
    s_.columns = up(column.out, s_.blocks);
    s_.line = reach(column, s_.columns) * s_.lanes;
    // Neighbouring channels are read together where they stand side by side; a vector that overlaps its neighbour, by the
    // same unit.
    const bool last = p_.in_channel_step == s_.item;
    const int64_t wanted = last ? up(kNearBytes, s_.lanes * s_.item * s_.panels) : 1;
    const bool overlaps = s_.fold && p_.out_channels % s_.lanes != 0;
    s_.unit_bundles = std::clamp<int64_t>(wanted, overlaps ? 2 : 1, s_.bundles);
    s_.units_wide = std::max<int64_t>(1, s_.bundles / s_.unit_bundles);
    const auto bytes = [&](int64_t rows) {
      return s_.unit_bundles * s_.panels * reach(row, rows) * s_.line * s_.item;
    };
    int64_t rows = row.out;
    while (rows > 2 && bytes(rows) > kStripBytes) rows = up(rows, 2);
    s_.strips = up(row.out, rows);
    s_.rows = up(row.out, s_.strips);
    s_.panel = reach(row, s_.rows) * s_.line;
    add_runs();
    return s_;
  }

 private:
  void add_runs() {
    const LayerAxis &row = p_.axes[0], &column = p_.axes[1];
    const bool shares = !s_.fold && column.dilation == 1 && column.stride <= 2;
    const int64_t most = shares ? kMostTaps : 1, pieces = up(column.taps, most);
    int64_t terms = 0;
    for (int64_t panel = 0; panel < s_.panels; ++panel)
      for (int64_t r = 0; r < row.taps; ++r)
        for (int64_t piece = 0, first = 0; piece < pieces; ++piece) {
          const int64_t taps = column.taps / pieces + (piece < column.taps % pieces);
          const int64_t channels = s_.fold ? 1 : s_.panel_channels(panel), count = taps * channels;
          if (terms + count > kChain) s_.runs.back().flush = true, terms = 0;
          terms += count;
          s_.runs.push_back(
              {panel * s_.panel + r * row.dilation * s_.line + first * column.dilation * s_.lanes, taps,
               channels, false});
          s_.taps.push_back({panel, r, first});
          first += taps;
        }
  }

  const LayerProblem& p_;
  GroupedLanesSchedule s_{};
};

}  // namespace

template <class T>
bool fits_lanes(const LayerProblem& p, Isa isa) {
  constexpr DType own = sizeof(T) == 4 ? DType::f32 : DType::f64;
  if (p.groups == 1 || p.axes.empty() || p.axes.size() > 2 || p.outputs() == 0 || p.terms() == 0)
    return false;
  if (p.in != own || p.out != own || p.in_zero != 0 || !p.weight_zero.empty()) return false;
  return fold_of<T>(p, isa) >= 0;
}

template <class T>
GroupedLanesSchedule schedule_lanes(const LayerProblem& problem, Isa isa) {
  const int64_t lanes = grouped_lanes_table<T>(isa).kernels[0].lanes;
  return Scheduler(problem, lanes, int64_t(sizeof(T)), fold_of<T>(problem, isa)).run();
}

template <class T>
GroupedLanesCover<T> cover_lanes(const GroupedLanesTable<T>& table, int64_t fold, int64_t rows, int64_t n) {
  GroupedLanesCover<T> best;
  double least = 0;
  for (int i = 0; i < table.count; ++i) {
    const GroupedLanesKernel<T>& k = table.kernels[i];
    if (k.group != fold || k.rows > rows || k.columns > n) continue;
    const int64_t tiles = up(n, k.columns), sums = std::max<int64_t>(fold, 1) * k.columns * k.rows;
    const int64_t more = std::max(kTileCost, fold / 2) + k.rows - 1;
    const double cost = double(tiles * (std::max(sums, kBusy) + more)) / k.rows;
    if (best.kernel && cost >= least) continue;
    least = cost;
    best = {&k, n / k.columns, n % k.columns ? n - k.columns : -1};
  }
  return best;
}

template bool fits_lanes<float>(const LayerProblem&, Isa);
template bool fits_lanes<double>(const LayerProblem&, Isa);
template GroupedLanesSchedule schedule_lanes<float>(const LayerProblem&, Isa);
template GroupedLanesSchedule schedule_lanes<double>(const LayerProblem&, Isa);
template GroupedLanesCover<float> cover_lanes(const GroupedLanesTable<float>&, int64_t, int64_t, int64_t);
template GroupedLanesCover<double> cover_lanes(const GroupedLanesTable<double>&, int64_t, int64_t, int64_t);

}  // namespace faltung
