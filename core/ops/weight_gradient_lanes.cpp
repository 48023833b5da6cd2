// The gradient of weights of depthwise layers, channels in vectors: all taps of a few kernel rows stay in registers while a
// chunk of positions passes.
#include <algorithm>
#include <stdexcept>

#include "core/ops/weight_gradient_run.h"

namespace faltung {
namespace {

constexpr int64_t kMostTaps = 7;

template <class T>
class LanesGradient final : public PixelGradient<T> {
 public:
  LanesGradient(const LayerProblem& problem, Isa isa);

 private:
  using PixelGradient<T>::plan_;
  GradientBlock block(int64_t index) const override {
    const int64_t at = index / copies_ * plan_.block_in;
    const int64_t size = std::min(plan_.block_in, plan_.in_channels - at);
    return {0, at, size, at, size, index % copies_};
  }
  int64_t sums_of(const GradientBlock& b) const override {
    return plan_.outer_taps * plan_.taps * plan_.width(b.ins);
  }
  WeightGradientArrays arrays_of(const GradientBlock& b, const WeightGradientArrays& all) const override {
    return {all.x, static_cast<const char*>(all.g) + b.copy * out_step_,
            static_cast<char*>(all.dw) + b.copy * weight_step_};
  }
  void run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                 T* sums) const override;
  void finish(const GradientBlock& block, const T* sums, T*,
              const WeightGradientArrays& arrays) const override {
    store_lanes(plan_, this->convert_, this->turn_, block, sums, static_cast<char*>(arrays.dw));
    repair_gradient(plan_, this->convert_, block, sums, arrays);
  }

  const GradientTable<T>& table_;
  int64_t copies_, out_step_, weight_step_;
  bool dense_;
  int first_kernel_[kMostTaps + 1], most_rows_[kMostTaps + 1];  // of so many taps
};

template <class T>
LanesGradient<T>::LanesGradient(const LayerProblem& problem, Isa isa)
    : PixelGradient<T>(schedule_lanes<T>(problem, gradient_table<T>(isa).kernels[0].lanes), isa),
      table_(gradient_table<T>(isa)),
      copies_(problem.group_out()),
      out_step_(problem.out_channel_step),
      weight_step_(problem.weight_out_step) {
  const LayerAxis& columns = problem.axes.back();
  dense_ = columns.taps == 1 || columns.stride == columns.dilation;
  std::fill(std::begin(most_rows_), std::end(most_rows_), 0);
  for (int i = table_.count; i-- > 0;) {
    const GradientKernel<T>& k = table_.kernels[i];
    if (k.dense != dense_) continue;
    first_kernel_[k.taps] = i;
    most_rows_[k.taps] = std::max(most_rows_[k.taps], k.rows);
  }
  const int64_t taps = std::min(plan_.taps, kMostTaps),
                rows = std::min<int64_t>(plan_.outer_taps, most_rows_[taps]);
  this->prepare(table_.kernels[first_kernel_[taps] + rows - 1].name,
                plan_.outer_taps * plan_.taps * plan_.width(plan_.block_in), 0);
}

template <class T>
void LanesGradient<T>::run_chunk(const GradientBlock& block, bool first, const GradientStrip<T>& strip,
                                 T* sums) const {
  const int64_t width = plan_.width(block.ins);
  const int64_t parts = (plan_.taps + kMostTaps - 1) / kMostTaps;
  GradientArgs<T> args{};
  args.x_next = strip.most_runs();
  args.runs = strip.runs();
  args.count = strip.run_count();
  args.g_step = strip.given_step();
  args.row_step = plan_.taps * width, args.sum_step = width;
  args.first = first;
  for (int64_t v = 0; v < width; v += plan_.lanes)
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t tap = part * plan_.taps / parts, taps = (part + 1) * plan_.taps / parts - tap;
      const int64_t groups = (plan_.outer_taps + most_rows_[taps] - 1) / most_rows_[taps];
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t row = group * plan_.outer_taps / groups,
                      rows = (group + 1) * plan_.outer_taps / groups - row;
        args.x = strip.rows(row);
        args.at = v;
        args.tap = tap;
        args.sums = sums + (row * plan_.taps + tap) * width + v;
        table_.kernels[first_kernel_[taps] + rows - 1].run(args);
      }
    }
}

}  // namespace

std::unique_ptr<WeightGradient> plan_weight_gradient_depthwise(const LayerProblem& problem, Isa isa) {
  if (problem.compute == Compute::f32) return std::make_unique<LanesGradient<float>>(problem, isa);
  if (problem.compute == Compute::f64) return std::make_unique<LanesGradient<double>>(problem, isa);
  throw std::invalid_argument("computes in float32 or float64");
}

}  // namespace faltung
