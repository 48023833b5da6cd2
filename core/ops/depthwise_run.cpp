#include <algorithm>
#include <stdexcept>

#include "core/ops/depthwise.h"
#include "core/ops/depthwise_layer.h"
#include "core/ops/planes.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kTurnedBytes = 1 << 20;  // of a block of channels, in and out: it lives in L2
constexpr int64_t kRowsBytes = 128 << 10;  // of the lines that a tile of rows reads
constexpr double kFull = 0.52;             // the share of a vector from which on rows are faster than turning
constexpr int64_t kManyTaps = 512;  // for which turning is a small part, and full vectors count for more

// Rows that fill their vectors, and that share samples with other rows. Lines of one axis are the business of planes.
template <class T>
bool suits_rows(const LayerProblem& p, Isa isa) {
  if (p.axes.size() < 2) return false;
  const LayerAxis &c = p.axes.back(), &r = p.axes[p.axes.size() - 2];
  const DepthwiseRowsTable<T>& table = depthwise_rows_table<T>(isa);
  const int64_t lanes = table.kernels[0].lanes, smallest = table.kernels[table.count - 1].lanes;
  const int64_t whole = c.out <= smallest && p.in_channels > 1 ? smallest : lanes;
  const double full = double(c.out) / double((c.out + whole - 1) / whole * whole);
  if (p.taps() > kManyTaps) return false;
  int64_t planes = 1;
  for (size_t a = 0; a + 2 < p.axes.size(); ++a) planes *= p.axes[a].taps;
  const int64_t reach = (r.taps - 1) * r.dilation + 7 * r.stride + 1;
  return full >= kFull && r.out > 1 && planes * reach * c.in * int64_t(sizeof(T)) <= kRowsBytes;
}

template <class T>
std::unique_ptr<Layer> plan(const LayerProblem& p, Isa isa) {
  require_depthwise<T>(p, isa);
  const bool last = p.order == ChannelOrder::by_steps ? p.out_channel_step == kItemSize[int(p.out)]
                                                      : p.order == ChannelOrder::last;
  if (last && p.out_channels > 1) return plan_depthwise_last<T>(p, isa);
  if (suits_rows<T>(p, isa)) return plan_depthwise_rows<T>(p, isa);
  int64_t samples = 1;
  for (const LayerAxis& a : p.axes) samples *= a.in;
  const bool shifted = p.in_zero != 0 || !p.weight_zero.empty();
  if (!shifted && (samples + p.positions() * p.group_out()) * 64 > kTurnedBytes)
    return plan_planes(p, isa, nullptr);
  return plan_depthwise_first<T>(p, isa);
}

}  // namespace

std::unique_ptr<Layer> plan_depthwise(const LayerProblem& problem, Isa isa) {
  // Integers are sums of products of doubles: exact.
  if (problem.compute == Compute::f64 || is_integer(problem.in)) return plan<double>(problem, isa);
  return plan<float>(problem, isa);
}

}  // namespace faltung
