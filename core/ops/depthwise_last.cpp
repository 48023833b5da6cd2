#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "core/base/float_env.h"
#include "core/ops/depthwise_layer.h"

namespace faltung {
namespace {

bool outside(const LayerAxis& a) {
  return a.boundary == Boundary::constant && a.out > 0 &&
         (a.pad > 0 || (a.out - 1) * a.stride + (a.taps - 1) * a.dilation - a.pad >= a.in);
}

int64_t rounded(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

}  // namespace

template <class T>
void require_depthwise(const LayerProblem& p, Isa isa) {
  const auto require = [](bool condition, const char* reason) {
    if (!condition) throw std::invalid_argument(reason);
  };
  require(p.groups == p.in_channels && p.groups > 0, "depthwise needs one input channel a group");
  require(!p.complex_numbers, "depthwise takes no complex numbers");
  require(p.compute == Compute::f32 || p.compute == Compute::f64, "depthwise computes in float32 or float64");
  require(!p.axes.empty() && p.axes.size() <= 64, "depthwise needs a spatial axis");
  const ConvertTable<T>& convert = convert_table<T>(isa);
  require(convert.load[int(p.in)] && convert.load[int(p.weight)] && convert.load[int(p.out)] &&
              convert.store[int(p.out)],
          "depthwise cannot hold these types in the one that computes");
}

DepthwiseWeights::DepthwiseWeights(const LayerProblem& problem, int64_t bytes)
    : definition_(plan_layer_reference(problem)),
      definition_at_(kMark + rounded(bytes)),
      pads_(std::any_of(problem.axes.begin(), problem.axes.end(), outside)) {}

void DepthwiseWeights::finish(const void* weights, void* packed, bool finite, int threads) const {
  std::memset(packed, 0, kMark);
  *static_cast<bool*>(packed) = finite;
  definition_->pack(weights, static_cast<char*>(packed) + definition_at_, threads);
}

Outcome DepthwiseWeights::run_definition(const LayerArrays& arrays, int threads, Poll poll) const {
  LayerArrays same = arrays;
  same.weight = static_cast<const char*>(arrays.weight) + definition_at_;
  return definition_->run(same, threads, poll);
}

namespace {

template <class T>
class DepthwiseLast final : public Layer {
 public:
  DepthwiseLast(const LayerProblem& problem, Isa isa)
      : core_(problem, isa),
        load_(convert_table<T>(isa).load[int(problem.out)]),
        weights_(problem, core_.vectors() * core_.vector_weights() * int64_t(sizeof(T))) {
    const int64_t lanes = depthwise_table<T>(isa).kernels[0].lanes;
    bias_in_place_ = problem.out == type_of<T>() && problem.out_channels >= lanes;
    bias_bytes_ = problem.bias && !bias_in_place_
                      ? size_t(rounded(std::max(problem.out_channels, lanes) * int64_t(sizeof(T))))
                      : 0;
    core_.summarize(summary_);
    summary_.shared = int64_t(bias_bytes_);
  }

  int64_t packed_bytes() const override { return weights_.bytes(); }
  void pack(const void* weights, void* packed, int threads) const override {
    const bool finite = core_.pack(static_cast<const char*>(weights), 0, core_.problem().out_channels,
                                   static_cast<T*>(DepthwiseWeights::vectors(packed)));
    weights_.finish(weights, packed, finite, threads);
  }

  Outcome run(const LayerArrays& arrays, int threads, Poll poll) const override {
    const LayerProblem& p = core_.problem();
    if (p.outputs() == 0) return {};
    if (!weights_.fast(arrays.weight)) return weights_.run_definition(arrays, threads, poll);
    Scratch converted(bias_bytes_);
    const T* bias = static_cast<const T*>(arrays.bias);
    if (p.bias && !bias_in_place_) {
      std::memset(converted.data(), 0, bias_bytes_);
      load_(arrays.bias, {p.out_channels, 1, kItemSize[int(p.out)], 0}, static_cast<T*>(converted.data()));
      bias = static_cast<const T*>(converted.data());
    }
    const DepthwiseArrays<T> given{
        static_cast<const char*>(arrays.in), static_cast<const T*>(DepthwiseWeights::vectors(arrays.weight)),
        p.bias ? bias : nullptr, p.residual ? static_cast<const char*>(arrays.residual) : nullptr,
        static_cast<char*>(arrays.out)};
    std::atomic<bool> reported{false};
    const bool finished = parallel_for(
        summary_.units, threads,
        [&](int64_t unit, int) {
          [[maybe_unused]] const LayerFloats<T> floats;
          const ScratchLease lease(core_.scratch_bytes());
          if (core_.run(unit, given, lease.data())) reported = true;
        },
        poll);
    return {finished, reported};
  }
  const LayerSummary& summary() const override { return summary_; }

 private:
  DepthwiseCore<T> core_;
  void (*load_)(const void*, const StridedLine&, T*);
  DepthwiseWeights weights_;
  bool bias_in_place_;
  size_t bias_bytes_;
  LayerSummary summary_;
};

}  // namespace

template <class T>
std::unique_ptr<Layer> plan_depthwise_last(const LayerProblem& problem, Isa isa) {
  return std::make_unique<DepthwiseLast<T>>(problem, isa);
}

template void require_depthwise<float>(const LayerProblem&, Isa);
template void require_depthwise<double>(const LayerProblem&, Isa);
template std::unique_ptr<Layer> plan_depthwise_last<float>(const LayerProblem&, Isa);
template std::unique_ptr<Layer> plan_depthwise_last<double>(const LayerProblem&, Isa);

}  // namespace faltung
