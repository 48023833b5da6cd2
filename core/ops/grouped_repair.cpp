#include "core/ops/grouped_repair.h"

#include <algorithm>
#include <type_traits>

namespace faltung {
namespace {

int64_t up(int64_t a, int64_t b) {
  return a <= 0 ? 0 : (a + b - 1) / b;
}

// Outputs whose windows lie inside.
struct Whole {
  int64_t begin, end;
};
Whole whole_windows(const LayerAxis& a) {
  if (a.boundary != Boundary::constant) return {0, a.out};
  const int64_t begin = std::min(up(a.pad, a.stride), a.out);
  const int64_t end = std::min(up(a.in + a.pad - (a.taps - 1) * a.dilation, a.stride), a.out);
  return {begin, std::max(begin, end)};
}

// The part of a problem from output `begin` to `end` of an axis.
void restrict_axis(LayerProblem& p, LayerArrays& arrays, size_t axis, int64_t begin, int64_t end) {
  LayerAxis& a = p.axes[axis];
  a.pad -= begin * a.stride;
  a.out = end - begin;
  arrays.out = static_cast<char*>(arrays.out) + begin * a.out_step;
  if (p.residual) arrays.residual = static_cast<const char*>(arrays.residual) + begin * a.residual_step;
}

bool run_borders(LayerProblem p, LayerArrays arrays, int threads, Poll poll) {
  for (size_t a = 0; a < p.axes.size(); ++a) {
    const Whole inner = whole_windows(p.axes[a]);
    const int64_t out = p.axes[a].out;
    for (const auto& [begin, end] : {Whole{0, inner.begin}, Whole{inner.end, out}}) {
      if (begin == end) continue;
      LayerProblem part = p;
      LayerArrays some = arrays;
      restrict_axis(part, some, a, begin, end);
      if (!run_layer_reference(part, some, threads, poll).finished) return false;
    }
    if (inner.begin == inner.end) return true;
    restrict_axis(p, arrays, a, inner.begin, inner.end);
  }
  return true;
}

}  // namespace

template <class T>
bool repair_borders(const LayerProblem& problem, const std::vector<int64_t>& outs, const T* weights,
                    const LayerArrays& arrays, int threads, Poll poll) {
  const int64_t item = int64_t(sizeof(T));
  for (int64_t g = 0, o = 0; g < problem.groups; ++g)
    for (const int64_t n : outs) {
      LayerProblem p = problem;
      p.groups = 1;
      p.in_channels = problem.group_in();
      p.out_channels = n;
      p.weight = std::is_same_v<T, float> ? DType::f32 : DType::f64;
      p.weight_zero.clear();
      p.weight_out_step = item;
      int64_t step = n * item;
      for (size_t a = p.axes.size(); a-- > 0; step *= p.axes[a].taps) p.axes[a].weight_step = step;
      p.weight_in_step = step;
      LayerArrays part = arrays;
      part.in = static_cast<const char*>(arrays.in) + g * p.in_channels * p.in_channel_step;
      part.weight = weights;
      part.out = static_cast<char*>(arrays.out) + o * p.out_channel_step;
      if (p.bias) part.bias = static_cast<const char*>(arrays.bias) + o * kItemSize[int(p.out)];
      if (p.residual) part.residual = static_cast<const char*>(arrays.residual) + o * p.residual_channel_step;
      if (!run_borders(p, part, threads, poll)) return false;
      weights += n * p.terms();
      o += n;
    }
  return true;
}

template bool repair_borders<float>(const LayerProblem&, const std::vector<int64_t>&, const float*,
                                    const LayerArrays&, int, Poll);
template bool repair_borders<double>(const LayerProblem&, const std::vector<int64_t>&, const double*,
                                     const LayerArrays&, int, Poll);

}  // namespace faltung
