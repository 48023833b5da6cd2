#include "core/ops/depthwise_rows_plan.h"

namespace faltung {
namespace {

constexpr int64_t kNearBytes = 40 * 1024;  // of packed planes
constexpr int64_t kLeastRows = 8;          // of a strip and an output class, whatever they take
constexpr int64_t kUnitWork = 128 * 1024;  // multiply-adds a unit, about: 2 microseconds
constexpr int64_t kEnoughUnits = 16;       // before outer axes are cut for more

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

LayerAxis single() {
  return {1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0};
}

}  // namespace

DepthwiseRowsSchedule::DepthwiseRowsSchedule(const LayerProblem& problem, int lanes, int halves_,
                                             int most_taps, int64_t item)
    : rows(problem.axes.size() >= 2 ? problem.axes[problem.axes.size() - 2] : single()),
      columns(problem.axes.back()),
      halves(halves_),
      groups(ceil_div(problem.in_channels, halves_)) {
  if (problem.axes.size() > 2) outer.assign(problem.axes.begin(), problem.axes.end() - 2);
  edged = columns.boundary != Boundary::constant;
  for (const LayerAxis& a : outer) outer_outputs *= a.out, panels *= a.taps;

  if (columns.taps == 1) columns.dilation = 1;
  phases = columns.stride;
  left = std::max<int64_t>(columns.pad, 0);
  reach = (columns.out - 1) * columns.stride + (columns.taps - 1) * columns.dilation + 1 + left - columns.pad;
  if (edged)
    for (int64_t u = 0; u < reach; ++u)
      samples.push_back(boundary_index(u - left, columns.in, columns.boundary));
  pitch = ceil_div(ceil_div(reach, phases), lanes) * lanes;

  const int64_t count = ceil_div(rows.most_taps(), most_taps);
  for (size_t c = 0; c < rows.class_taps.size(); ++c) {
    const int64_t all = rows.class_taps[c];
    for (int64_t i = 0, first = 0; i < std::min(count, all); ++i) {
      const int64_t n = all / std::min(count, all) + (i < all % std::min(count, all));
      chunks.push_back({int64_t(c), first, n});
      first += n;
    }
  }

  slots = panels == 1 ? 2 : panels;
  // A strip's packed planes stay near; strips overlap by what a kernel reaches beyond its row.
  const auto most_rows = [&](int64_t n) {
    const int64_t all = (n - 1) * rows.axis.stride + (rows.axis.taps - 1) * rows.axis.dilation + 1;
    return rows.axis.boundary == Boundary::constant ? std::min(all, rows.axis.in) : all;
  };
  const auto near = [&](int64_t n) {
    return slots * halves * phases * most_rows(n) * pitch * item <= kNearBytes;
  };
  const int64_t all_rows = std::max<int64_t>(1, rows.axis.out);
  const int64_t least = std::min(all_rows, kLeastRows * rows.classes);
  strip_rows = all_rows;
  while (!near(strip_rows) && strip_rows > least) strip_rows = std::max(least, ceil_div(strip_rows, 2));
  strips = ceil_div(all_rows, strip_rows);
  strip_rows = ceil_div(all_rows, strips);

  // Packing may clear up to two vectors behind the last row of a phase.
  phase_step = most_rows(strip_rows) * pitch + 2 * lanes;
  half_step = phases * phase_step;
  plane_step = halves * half_step;

  for (int64_t t = 0; t < columns.taps; ++t) {
    const int64_t u = t * columns.dilation - columns.pad + left;
    column_offsets.push_back(u % phases * phase_step + u / phases);
  }
  for (int64_t panel = 0; panel < panels; ++panel) {
    int64_t start = 0;
    for (int64_t rest = panel, a = int64_t(outer.size()); a-- > 0;) {
      start += rest % outer[size_t(a)].taps * outer[size_t(a)].weight_step;
      rest /= outer[size_t(a)].taps;
    }
    for (const Chunk& chunk : chunks)
      for (int64_t t = 0; t < columns.taps; ++t)
        for (int64_t k = 0; k < chunk.taps; ++k)
          taps.push_back(start + rows.tap(chunk.row_class, chunk.first + k) * rows.axis.weight_step +
                         t * columns.weight_step);
  }

  const int64_t outputs = strip_rows * std::max<int64_t>(1, columns.out) * halves * problem.group_out();
  const int64_t work = std::max<int64_t>(1, int64_t(taps.size()) * outputs);
  outer_units = std::clamp<int64_t>(kEnoughUnits / std::max<int64_t>(1, problem.batch * groups * strips), 1,
                                    std::max<int64_t>(1, outer_outputs));
  unit_groups = std::clamp<int64_t>(kUnitWork / (work * ceil_div(outer_outputs, outer_units)), 1, groups);
  unit_groups = ceil_div(groups, ceil_div(groups, unit_groups));
  units = problem.batch * outer_units * strips * ceil_div(groups, unit_groups);
}

int64_t DepthwiseRowsSchedule::first_row(int64_t begin) const {
  const int64_t row = begin * rows.axis.stride - rows.axis.pad;
  return rows.axis.boundary == Boundary::constant ? std::clamp<int64_t>(row, 0, rows.axis.in) : row;
}

int64_t DepthwiseRowsSchedule::last_row(int64_t end) const {
  const int64_t row =
      (end - 1) * rows.axis.stride + (rows.axis.taps - 1) * rows.axis.dilation + 1 - rows.axis.pad;
  return rows.axis.boundary == Boundary::constant ? std::clamp<int64_t>(row, 0, rows.axis.in) : row;
}

}  // namespace faltung
