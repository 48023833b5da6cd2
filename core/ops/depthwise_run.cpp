#include <stdexcept>

#include "core/ops/depthwise.h"
#include "core/ops/depthwise_layer.h"
#include "core/ops/planes.h"
#include "core/reference/number.h"

namespace faltung {
namespace {

constexpr int64_t kTurnedBytes = 1 << 20;  // of a block of channels, in and out: it lives in L2

template <class T>
std::unique_ptr<Layer> plan(const LayerProblem& p, Isa isa) {
  require_depthwise<T>(p, isa);
  if (p.out_channel_step == kItemSize[int(p.out)] && p.out_channels > 1)
    return plan_depthwise_last<T>(p, isa);
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
