#include <type_traits>

#include "core/ops/dense_run.h"

namespace faltung {
namespace {

struct Interval {
  int64_t begin, end;
};

// Outputs all of whose taps lie inside.
Interval inner(const LayerAxis& a) {
  const int64_t reach = (a.taps - 1) * a.dilation;
  Interval i{a.pad > 0 ? (a.pad + a.stride - 1) / a.stride : 0,
             a.in + a.pad - reach > 0 ? (a.in + a.pad - reach - 1) / a.stride + 1 : 0};
  i.begin = i.begin < a.out ? i.begin : a.out;
  i.end = i.end < a.out ? i.end : a.out;
  if (i.end < i.begin) i.end = i.begin;
  return i;
}

// The layer over some outputs and the channels of one panel, on weights as they are packed.
template <class T>
bool run_part(const LayerProblem& given, const DensePlan& plan, int64_t group, const DensePanel& panel,
              const std::vector<Interval>& box, const LayerArrays& arrays, const T* weights, int threads,
              Poll poll) {
  LayerProblem p = given;
  const int64_t parts = p.parts(), width = int64_t(panel.vectors) * plan.lanes * int64_t(sizeof(T));
  const int64_t channel = group * p.group_out() + panel.channel / parts, item = kItemSize[int(p.out)] * parts;
  p.in_channels = p.group_in();
  p.out_channels = panel.channels / parts;
  p.groups = 1;
  p.weight = std::is_same_v<T, float> ? DType::f32 : DType::f64;
  p.weight_zero.clear();
  p.weight_out_step = int64_t(sizeof(T)) * parts;
  p.weight_in_step = width * parts;
  const char* in = static_cast<const char*>(arrays.in) + group * p.in_channels * p.in_channel_step;
  char* out = static_cast<char*>(arrays.out) + channel * p.out_channel_step;
  const char* residual =
      static_cast<const char*>(arrays.residual) + (p.residual ? channel * p.residual_channel_step : 0);
  const char* bias = static_cast<const char*>(arrays.bias) + (p.bias ? channel * item : 0);
  int64_t step = width * plan.in_channels;
  for (size_t a = p.axes.size(); a-- > 0;) {
    LayerAxis& axis = p.axes[a];
    axis.weight_step = step;
    step *= axis.taps;
    axis.out = box[a].end - box[a].begin;
    axis.pad -= box[a].begin * axis.stride;
    out += box[a].begin * axis.out_step;
    if (p.residual) residual += box[a].begin * axis.residual_step;
  }
  const LayerArrays part{in, weights + group * plan.group_weights + panel.weights, bias, residual, out};
  return run_layer_reference(p, part, threads, poll).finished;
}

}  // namespace

template <class T>
bool repair_dense(const LayerProblem& given, const DensePlan& plan, const LayerArrays& arrays,
                  const T* weights, int threads, Poll poll) {
  std::vector<Interval> box;
  for (const LayerAxis& a : given.axes) box.push_back({0, a.out});
  const auto run = [&](const std::vector<Interval>& part) {
    for (int64_t g = 0; g < given.groups; ++g)
      for (const DensePanel& panel : plan.panels)
        if (!run_part(given, plan, g, panel, part, arrays, weights, threads, poll)) return false;
    return true;
  };
  for (size_t a = 0; a < given.axes.size(); ++a) {
    if (given.axes[a].boundary != Boundary::constant) continue;
    const Interval middle = inner(given.axes[a]);
    std::vector<Interval> low = box, high = box;
    low[a].end = middle.begin;
    high[a].begin = middle.end;
    for (const auto& part : {low, high})
      if (part[a].begin < part[a].end && !run(part)) return false;
    box[a] = middle;
  }
  return true;
}

template bool repair_dense<float>(const LayerProblem&, const DensePlan&, const LayerArrays&, const float*,
                                  int, Poll);
template bool repair_dense<double>(const LayerProblem&, const DensePlan&, const LayerArrays&, const double*,
                                   int, Poll);

}  // namespace faltung
