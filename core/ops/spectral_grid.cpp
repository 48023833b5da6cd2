#include "core/ops/spectral_grid.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace faltung {
namespace {

bool stays_inside(const ConvAxis& a) {
  const int64_t last = (a.out - 1) * a.stride - a.pad;
  return a.pad <= 0 && last < a.in;
}

// Neighbouring axes of a batch as one, where going through the finer and on in the other is one walk in both arrays. What
// stands where in the enumeration stays.
bool fuse(std::vector<BatchAxis>& batch) {
  for (size_t a = 0; a + 1 < batch.size(); ++a) {
    const BatchAxis &slow = batch[a], &fast = batch[a + 1];
    if (slow.in_step != fast.in_step * fast.size || slow.out_step != fast.out_step * fast.size) continue;
    batch[a + 1].size *= slow.size;
    batch.erase(batch.begin() + int64_t(a));
    return true;
  }
  return false;
}

int64_t count(const std::vector<BatchAxis>& batch) {
  int64_t n = 1;
  for (const BatchAxis& b : batch) n *= b.size;
  return n;
}

void walk(const std::vector<BatchAxis>& batch, int64_t index, BlockItem& item) {
  for (size_t b = batch.size(); b-- > 0;) {
    const int64_t at = index % batch[b].size;
    index /= batch[b].size;
    item.in += at * batch[b].in_step;
    item.kernel += at * batch[b].kernel_step;
    item.out += at * batch[b].out_step;
  }
}

BlockAxis cut(const ConvAxis& a, int64_t points) {
  BlockAxis cut{a, points, a.dilation * (a.taps - 1) + 1, 0, 0};
  if (points < cut.reach)
    throw std::invalid_argument("a spectral block of " + std::to_string(points) +
                                " points is shorter than the kernel's reach of " + std::to_string(cut.reach));
  cut.outputs = std::min(a.out, (points - cut.reach) / a.stride + 1);
  cut.blocks = cut.outputs == 0 ? 0 : (a.out + cut.outputs - 1) / cut.outputs;
  return cut;
}

}  // namespace

BlockGrid::BlockGrid(const Problem& p, const std::vector<int64_t>& block) : problem(p) {
  if (block.size() != p.axes.size())
    throw std::invalid_argument("a spectral block needs one number of points for each convolved axis");
  for (size_t i = 0; i < p.axes.size(); ++i) {
    const ConvAxis& a = p.axes[i];
    if (a.taps == 1 && stays_inside(a)) {
      line_axes.push_back({a.out, a.in_step * a.stride, 0, a.out_step, a.order});
      in_offset -= a.pad * a.in_step;
    } else {
      axes.push_back(cut(a, block[i]));
    }
  }
  if (axes.empty()) axes.push_back(cut({1, 1, 1, 1, 1, 0, Boundary::constant, 0, 0, 0, 0}, 1));
  std::stable_sort(axes.begin(), axes.end(),
                   [](const BlockAxis& a, const BlockAxis& b) { return a.axis.order > b.axis.order; });
  for (const BatchAxis& b : p.batch)
    (b.kernel_step != 0 && b.size > 1 ? kernel_axes : line_axes).push_back(b);
  std::stable_sort(line_axes.begin(), line_axes.end(),
                   [](const BatchAxis& a, const BatchAxis& b) { return a.order > b.order; });
  std::erase_if(line_axes, [](const BatchAxis& b) { return b.size == 1; });
  kernels = count(kernel_axes);
  lines = count(line_axes);
  for (const BlockAxis& a : axes) blocks *= a.blocks;
}

int64_t BlockGrid::points() const {
  int64_t n = 1;
  for (const BlockAxis& a : axes) n *= a.points;
  return n;
}

void BlockGrid::split_channels(int64_t least) {
  int64_t items = 1;
  size_t first = line_axes.size();
  for (; first > 0 && line_axes[first - 1].order == items; --first) items *= line_axes[first - 1].size;
  if (items < least) return;
  channel_axes.assign(line_axes.begin() + int64_t(first), line_axes.end());
  line_axes.resize(first);
  lines = count(line_axes);
  channels = items;
  std::vector<BatchAxis> fused = channel_axes;
  while (fuse(fused)) {
  }
  const int64_t parts = problem.parts();
  channels_touch = fused.size() == 1 && fused[0].in_step == parts * kItemSize[int(problem.in)] &&
                   fused[0].out_step == parts * kItemSize[int(problem.out)];
}

void BlockGrid::move_to_channel(int64_t channel, BlockItem& item) const {
  walk(channel_axes, channel, item);
}

void BlockGrid::locate(int64_t kernel, int64_t item, BlockItem& found) const {
  found.in = in_offset;
  found.kernel = found.out = 0;
  walk(kernel_axes, kernel, found);
  walk(line_axes, item / blocks, found);
  found.spans.resize(axes.size());
  int64_t rest = item % blocks;
  for (size_t a = axes.size(); a-- > 0;) {
    const BlockAxis& x = axes[a];
    BlockSpan& s = found.spans[a];
    s.first = rest % x.blocks * x.outputs;
    rest /= x.blocks;
    s.outputs = std::min(x.outputs, x.axis.out - s.first);
    s.window = s.first * x.axis.stride - x.axis.pad;
    s.results = (s.outputs - 1) * x.axis.stride + 1;
    s.needed = s.results - 1 + x.reach;
  }
}

Subproblem BlockGrid::box(const BlockItem& item) const {
  Problem one = problem;
  one.axes.clear();
  one.batch.clear();
  Box box;
  for (size_t a = 0; a < axes.size(); ++a) {
    one.axes.push_back(axes[a].axis);
    box.begin.push_back(item.spans[a].first);
    box.end.push_back(item.spans[a].first + item.spans[a].outputs);
  }
  Subproblem part = subproblem(one, box);
  part.in += item.in;
  part.kernel += item.kernel;
  part.out += item.out;
  return part;
}

}  // namespace faltung
