#include "core/ops/dense_grid.h"

#include <algorithm>

namespace faltung {
namespace {

int64_t parts_of(int64_t size, int64_t block) {
  return block > 0 ? (size + block - 1) / block : 0;
}

int64_t axis_size(const DensePlan& plan, size_t axis) {
  return axis == 0 ? plan.p.batch : plan.p.axes[axis - 1].out;
}

void count(const DensePlan& plan, DenseGrid& g) {
  g.boxes = parts_of(plan.p.axes.back().out, g.columns);
  for (size_t a = 0; a < plan.p.axes.size(); ++a) g.boxes *= parts_of(axis_size(plan, a), g.box[a]);
  g.units = g.boxes * g.panel_groups * plan.p.groups;
}

// Halves the outermost extent; false where a unit is one tile high already.
bool halve(const DensePlan& plan, DenseGrid& g) {
  for (size_t a = 0; a < plan.p.axes.size(); ++a)
    if (g.box[a] > 1) {
      g.box[a] = (g.box[a] + 1) / 2;
      return true;
    }
  if (g.columns <= plan.tile_rows) return false;
  const int64_t tiles = parts_of(g.columns, plan.tile_rows);
  g.columns = (tiles + 1) / 2 * plan.tile_rows;
  return tiles > 1;
}

// Cycles until the last thread is ready, roughly. Threads start late and are interrupted: the coarser the units, the
// longer the others wait.
double cycles(const DensePlan& plan, const DenseGrid& g, int threads) {
  constexpr double kFarWeights = 1 << 20, kUnit = 1500, kWait = 0.15;
  double lines = 1, strip = double(plan.row_pixels(g.columns)) * double(plan.in_channels);
  for (size_t a = 0; a < plan.p.axes.size(); ++a) {
    lines *= double(g.box[a]);
    if (a > 0) {
      const LayerAxis& axis = plan.p.axes[a - 1];
      strip *= double(std::min(axis.in, (g.box[a] - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1));
    } else {
      strip *= double(g.box[0]);
    }
  }
  const double panels =
      double(parts_of(int64_t(plan.panels.size()), g.panel_groups)) / double(plan.panels.size());
  const double weights = double(plan.group_weights * plan.item) * panels;
  const double products = lines * double(g.columns) * double(plan.group_weights) * panels / (2 * plan.lanes);
  const double far = double(plan.group_weights * plan.item) > kFarWeights ? weights / 16 : 0;
  const double unit =
      products * plan.vector_cycles + (plan.packs ? strip * plan.sample_cycles : 0) + far + kUnit;
  return unit * (double(parts_of(g.units, threads)) + kWait);
}

}  // namespace

DenseGrid divide_dense(const DensePlan& plan, int threads) {
  DenseGrid whole{};
  std::copy(plan.box.begin(), plan.box.end(), whole.box);
  whole.columns = plan.columns;
  const int64_t panels = int64_t(plan.panels.size());
  DenseGrid best = whole;
  best.panel_groups = 1;
  count(plan, best);
  if (threads <= 1) return best;
  double least = cycles(plan, best, threads);
  for (int64_t groups = 1; groups <= panels;
       groups = groups < panels ? std::min(2 * groups, panels) : panels + 1) {
    DenseGrid g = whole;
    g.panel_groups = groups;
    for (int i = 0; i < 8; ++i) {
      count(plan, g);
      const double c = cycles(plan, g, threads);
      if (c < least * 0.99) least = c, best = g;
      if (!halve(plan, g)) break;
    }
  }
  return best;
}

DenseBox dense_box(const DensePlan& plan, const DenseGrid& g, int64_t unit) {
  DenseBox b;
  const int64_t panels = int64_t(plan.panels.size());
  const int64_t part = unit % g.panel_groups;
  unit /= g.panel_groups;
  b.first_panel = panels * part / g.panel_groups;
  b.last_panel = panels * (part + 1) / g.panel_groups;
  const auto take = [&](int64_t size, int64_t block, int64_t& begin, int64_t& length) {
    const int64_t parts = parts_of(size, block);
    begin = unit % parts * block;
    length = std::min(block, size - begin);
    unit /= parts;
  };
  take(plan.p.axes.back().out, g.columns, b.column, b.columns);
  for (size_t a = plan.p.axes.size(); a-- > 0;) take(axis_size(plan, a), g.box[a], b.begin[a], b.size[a]);
  b.group = unit;
  return b;
}

}  // namespace faltung
